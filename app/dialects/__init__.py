"""How each API writes requests, replies, streams and errors; no I/O."""
