"""Tags, by which operators and clients sort calls: what can be one, and what never becomes one."""

from collections.abc import Iterable, Sequence

from app.core.frozen import frozen
from app.core.redaction import MARK, redact

MAX_TAGS = 32
MAX_TAG_LENGTH = 100

# Of whatever length and letters what follows: somebody put a credential into the wrong place.
_CREDENTIAL_STARTS = ("bearer ", "sk-")


class InvalidTags(ValueError):
    """There are too many, or one cannot be a tag."""


@frozen
class Tags:
    """What was read.

    Attributes:
        names: sorted, each once.
        dropped: how many looked like secrets.
    """

    names: tuple[str, ...]
    dropped: int = 0


def read_tags(texts: Iterable[str], secrets: Sequence[str] = ()) -> Tags:
    """The tags in `texts`, which may each hold several with commas between them.

    Anything with one of `secrets` in it, or of the shape of a key, is left out and counted.

    Raises:
        InvalidTags: more than `MAX_TAGS`, or one that is too long or cannot be printed.
    """
    names: set[str] = set()
    dropped = 0
    for text in texts:
        # Before the commas are looked at, as a secret may hold some.
        for part in redact(text, secrets).split(","):
            tag = part.strip()
            if MARK in tag or tag.lower().startswith(_CREDENTIAL_STARTS):
                dropped += 1
            elif tag:
                names.add(tag)
    _check(names)
    return Tags(tuple(sorted(names)), dropped)


def checked_tags(texts: Iterable[str]) -> tuple[str, ...]:
    """The same of an operator's tags, who is to know where one is left out.

    Raises:
        InvalidTags: also where one looks like a secret.
    """
    tags = read_tags(texts)
    if tags.dropped:
        raise InvalidTags("What looks like a key or a token cannot be a tag.")
    return tags.names


def _check(names: set[str]) -> None:
    if len(names) > MAX_TAGS:
        raise InvalidTags(f"There are {len(names)} tags; a call may have {MAX_TAGS}.")
    for name in names:
        if len(name) > MAX_TAG_LENGTH:
            raise InvalidTags(f"The tag {name[:MAX_TAG_LENGTH]!r}… is too long: {MAX_TAG_LENGTH} characters at most.")
        if not name.isprintable():
            raise InvalidTags(f"The tag {name!r} has characters that cannot be printed.")
