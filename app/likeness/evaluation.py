"""How well pairs of texts are told apart: what a cache would answer, what of it would be wrong, and what it misses."""

from array import array
from collections.abc import Sequence
from operator import mul
from pathlib import Path

from app.core.embedding import TextVector
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, loads
from app.core.ports import Embedder
from app.likeness.normal import normalise
from app.likeness.verifier import differences

THRESHOLD = 0.95
"""The cosine from which on two texts are proposed as the same, unless somebody says otherwise."""

_MEMBERS = (("a", str, "a text"), ("b", str, "a text"), ("same", bool, "true or false"), ("kind", str, "a text"))
_AT_ONCE = 64  # texts given to the embedder together


class InvalidPairs(ValueError):
    """A file of pairs cannot be read; the text says which line, and why."""


@frozen
class Pair:
    """Two texts, and whether one answer is right for both; `kind` says of what kind their difference is."""

    a: str
    b: str
    same: bool
    kind: str = ""


@frozen
class Judged:
    """What was found of a pair; it is a hit where the cosine reaches the threshold and there are no reasons against it."""

    pair: Pair
    cosine: float
    reasons: tuple[str, ...]
    hit: bool


@frozen
class Evaluation:
    """What was found of all pairs.

    Attributes:
        precision: the share of the hits that are right; 1 where there are no hits.
        recall: the share of the pairs that are the same which hit; 1 where there are none.
        missed: pairs that are the same and do not hit.
        wrong: hits of pairs that are not the same.
    """

    pairs: int
    hits: int
    precision: float
    recall: float
    missed: tuple[Judged, ...]
    wrong: tuple[Judged, ...]


async def evaluate(pairs: Sequence[Pair], embedder: Embedder, threshold: float = THRESHOLD) -> Evaluation:
    """Judge each pair as the cache does.

    Raises:
        EmbedderUnavailable: there are no vectors to be had.
    """
    judged = [
        each
        for at in range(0, len(pairs), _AT_ONCE)
        for each in await _judge(pairs[at : at + _AT_ONCE], embedder, threshold)
    ]
    hits = sum(each.hit for each in judged)
    wrong = tuple(each for each in judged if each.hit and not each.pair.same)
    missed = tuple(each for each in judged if each.pair.same and not each.hit)
    same = sum(pair.same for pair in pairs)
    precision = (hits - len(wrong)) / hits if hits else 1.0
    return Evaluation(len(pairs), hits, precision, (same - len(missed)) / same if same else 1.0, missed, wrong)


async def _judge(pairs: Sequence[Pair], embedder: Embedder, threshold: float) -> list[Judged]:
    vectors = await embedder.embed([normalise(text) for pair in pairs for text in (pair.a, pair.b)])
    found = []
    for pair, one, other in zip(pairs, vectors[::2], vectors[1::2], strict=True):
        reasons = differences(pair.a, pair.b)
        if one.truncated or other.truncated:
            reasons = (*reasons, "length: more than the embedder reads")
        alike = cosine(one, other)
        found.append(Judged(pair, alike, reasons, alike >= threshold and not reasons))
    return found


def cosine(one: TextVector, other: TextVector) -> float:
    """How alike two vectors of one embedder are: 1 for the same direction."""
    return float(sum(map(mul, array("f", one.values), array("f", other.values))))


def read_pairs(file: Path) -> list[Pair]:
    """The pairs of a JSONL file: `{"a": …, "b": …, "same": true}` in each line, `kind` where it is wanted.

    Raises:
        InvalidPairs: a line is none of these; or there are none.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidPairs(f"{str(file)!r} cannot be read: {exc}") from exc
    pairs = [_pair(line, f"{file.name}, line {at}") for at, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise InvalidPairs(f"{str(file)!r} holds no pairs")
    return pairs


def _pair(line: str, where: str) -> Pair:
    try:
        value = loads(line)
    except InvalidJson as exc:
        raise InvalidPairs(f"{where}: no JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise InvalidPairs(f'{where}: not an object like {{"a": "…", "b": "…", "same": true}}')
    for name, kind, told in _MEMBERS:
        if not isinstance(value.get(name, "" if name == "kind" else None), kind):
            raise InvalidPairs(f"{where}: {name!r} must be {told}, not {value.get(name)!r}")
    if unknown := sorted(set(value) - {name for name, _, _ in _MEMBERS}):
        raise InvalidPairs(f"{where}: unknown: {', '.join(unknown)}")
    return Pair(value["a"], value["b"], value["same"], value.get("kind", ""))
