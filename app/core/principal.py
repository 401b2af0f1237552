"""Who is calling."""

from datetime import datetime
from fnmatch import fnmatchcase

from app.core.frozen import frozen


@frozen
class Principal:
    """A token's holder, as the in-memory snapshot knows it.

    Attributes:
        token_id: public part of the token, 8 characters.
        daily_limit: calls a UTC day.
        models: lower-case patterns (`*`, `?`) of the names that may be used; empty means all.
        expires: UTC, or None for never.
    """

    token_id: str
    username: str
    daily_limit: int
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    expires: datetime | None = None

    def may_use(self, *names: str) -> bool:
        """True where the token is for all models, or one of `names` (lower case) matches one of its patterns.

        Ollama's names end in `:latest` where nobody said otherwise; a pattern need not.
        """
        return not self.models or any(
            fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(":latest"), pattern)
            for pattern in self.models
            for name in names
        )
