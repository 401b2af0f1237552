"""Values and contracts that every layer shares; no I/O, and no import from the rest of the gateway."""
