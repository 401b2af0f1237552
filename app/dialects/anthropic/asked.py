"""The model that a crossed reply names."""

from app.dialects.dialect import About


def named_model(about: About, given: str | None) -> str:
    """The one that the client asked for, else `given`: Claude Code sends back what was thought only where the two names are one."""
    asked = about.payload.get("model")
    return asked if isinstance(asked, str) else given or about.model
