"""Where calls go; the only package that talks HTTP to providers."""
