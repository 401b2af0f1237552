"""What semantic caches keep, embedded or on a Chroma server."""
