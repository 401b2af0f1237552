"""How names of models are compared."""


def normalise(name: str) -> str:
    """A name as it is looked up: trimmed, lower case, without one trailing `:latest`."""
    return name.strip().lower().removesuffix(":latest")
