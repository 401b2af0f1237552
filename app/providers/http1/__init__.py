"""HTTP/1.1 for a client: what is written, what is parsed, one connection, the pool of them; no third party but llhttp."""
