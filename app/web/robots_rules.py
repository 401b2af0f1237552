"""What a robots.txt says to one robot (RFC 9309, 2.2)."""

import re
from string import punctuation
from urllib.parse import quote

from app.core.frozen import frozen

_PRODUCT = re.compile(r"[A-Za-z_-]+|\*")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = "-._~"


@frozen
class Rules:
    """Where a robot may go.

    Attributes:
        lines: a pattern each, the longest first, and whether it allows; of equal ones those that allow come first.
    """

    lines: tuple[tuple[str, bool], ...] = ()

    def allow(self, path: str) -> bool:
        """Whether a path, with its query, may be asked for: the longest pattern that fits says so."""
        path = _normal(path)
        return next((allows for pattern, allows in self.lines if _fits(pattern, path)), True)

    @property
    def size(self) -> int:
        """How many characters it holds."""
        return sum(len(pattern) for pattern, _ in self.lines)


ALL = Rules()
NONE = Rules((("/", False),))


def read_rules(text: str, name: str) -> Rules:
    """Those of all groups that are for the robot `name`; where none is, those for every robot."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    named: list[str] = []
    is_head = False
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        key = key.lower()
        if key == "user-agent" and colon:
            product = _PRODUCT.match(value)
            named = [*(named if is_head else []), product[0].lower() if product else ""]
            is_head = True
            groups.setdefault(named[-1], [])
        elif key in ("allow", "disallow"):
            is_head = False
            if value:
                for each in named:
                    groups[each].append((_normal(value), key == "allow"))
    lines = groups.get(name.lower(), groups.get("*", []))
    return Rules(tuple(sorted(dict.fromkeys(lines), key=lambda line: (-len(line[0]), not line[1]))))


def _fits(pattern: str, path: str) -> bool:
    """By pieces, and not as a regular expression: a stranger's pattern must not take long."""
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    end = len(path)
    if pattern.endswith("$"):
        last = others.pop() if others else None
        if last is None:
            return path == first
        if not path.endswith(last):
            return False
        end -= len(last)
    at = len(first)
    for piece in others:
        found = path.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end


def _normal(path: str) -> str:
    """With everything percent-encoded that has to be, and nothing else (RFC 9309, 2.2.2)."""
    return _ENCODED.sub(_decoded, quote(path, safe=punctuation, errors="replace"))


def _decoded(found: re.Match[str]) -> str:
    letter = chr(int(found[0][1:], 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in _UNRESERVED) else found[0].upper()
