"""Regular expressions of operators, searched for in what clients send: by RE2, in time that grows with the text and no faster.

Python's own `re` holds up the whole process while it tries, for hours with a pattern like `(a+)+$` and the right text.
"""

from functools import lru_cache
from typing import Protocol


class InvalidPattern(ValueError):
    """It is no regular expression that RE2 knows; it has neither back-references nor look-around."""


class Pattern(Protocol):
    """A compiled one."""

    def search(self, text: str) -> object | None:
        """The first match anywhere in `text`; None where there is none."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Pattern:
    """`pattern`, ready to search.

    Raises:
        InvalidPattern: with RE2's words.
    """
    import re2  # not at import: it takes 25 ms, and most gateways have no patterns

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20  # what a pattern may grow to, such as by a{1000}{1000}
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as exc:
        words = exc.args[0] if exc.args else exc
        raise InvalidPattern(words.decode(errors="replace") if isinstance(words, bytes) else str(words)) from exc
    return compiled
