"""The HTTP surfaces: one file each, on top of what every chat route does."""
