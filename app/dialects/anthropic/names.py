"""How this dialect is called where an origin is told."""

NAME = "anthropic"
