"""How pairs are read from a file, and what is said of them."""

from array import array
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.core.embedding import TextVector
from app.likeness.evaluation import InvalidPairs, Pair, evaluate, read_pairs

EGG, EGGS = Pair("Boil an egg", "Please boil an egg", same=True), Pair("Boil 2 eggs", "Boil 3 eggs", same=False)
FAR = Pair("Boil an egg", "Far away", same=True)
MISTAKEN = Pair("Boil an egg", "boil an egg", same=False)


class Alike:
    """Gives all texts one vector, apart from those that are far away."""

    name = "alike"

    def __init__(self, truncated: bool = False) -> None:
        self._truncated = truncated

    async def embed(self, texts: Sequence[str]) -> Sequence[TextVector]:
        return [
            TextVector(array("f", [0, 1] if "far" in text else [1, 0]).tobytes(), self._truncated) for text in texts
        ]


async def test_misses_and_wrong_hits_are_told_with_what_led_to_them() -> None:
    found = await evaluate([EGG, EGGS, FAR, MISTAKEN], Alike())

    assert (found.pairs, found.hits, found.precision, found.recall) == (4, 2, 0.5, 0.5)
    assert [(each.pair, each.cosine) for each in found.wrong] == [(MISTAKEN, 1.0)]
    assert [(each.pair, each.cosine) for each in found.missed] == [(FAR, 0.0)]
    assert found.missed[0].reasons


async def test_threshold_decides_what_is_proposed() -> None:
    found = await evaluate([EGG], Alike(), threshold=1.01)

    assert (found.hits, found.recall, found.missed[0].reasons) == (0, 0, ())


async def test_text_that_was_not_read_to_its_end_never_hits() -> None:
    found = await evaluate([EGG], Alike(truncated=True))

    assert found.hits == 0
    assert found.missed[0].reasons == ("length: more than the embedder reads",)


def test_pairs_are_read_with_their_kinds(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(
        '{"a": "x", "b": "y", "same": true}\n\n{"a": "é", "b": "\\u2028", "same": false, "kind": "order"}\n'
    )

    assert read_pairs(file) == [Pair("x", "y", True), Pair("é", "\u2028", False, "order")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: not an object"),
        ('{"a": "x", "b": "y"}', "line 2: 'same' must be true or false, not None"),
        ('{"a": 1, "b": "y", "same": true}', "line 2: 'a' must be a text, not 1"),
        ('{"a": "x", "b": "y", "same": 1}', "line 2: 'same' must be true or false, not 1"),
        ('{"a": "x", "b": "y", "same": true, "kid": ""}', "line 2: unknown: kid"),
        ('{"a": "x", "b": "y", "same": true, "kind": 3}', "line 2: 'kind' must be a text, not 3"),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(f'{{"a": "x", "b": "y", "same": true}}\n{line}\n')

    with pytest.raises(InvalidPairs, match=said):
        read_pairs(file)


def test_file_that_is_empty_or_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")

    for name in ("empty.jsonl", "gone.jsonl"):
        with pytest.raises(InvalidPairs, match=name):
            read_pairs(tmp_path / name)
