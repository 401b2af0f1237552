"""What is sealed with a key is read with that key alone, and keys are made once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.metering.sealing import InvalidKey, NotUnsealed, ensure_key, parse_key, read_key, seal, unseal

KEY, OTHER = bytes(range(32)), bytes(32)


@pytest.mark.parametrize("text", [b"", b"What was said.", bytes(100_000)])
def test_sealed_text_is_read_with_its_key(text: bytes) -> None:
    sealed = seal(KEY, text, "req_1")

    assert unseal(KEY, sealed, "req_1") == text
    assert not text or text not in sealed


def test_same_text_is_never_sealed_in_the_same_way() -> None:
    assert seal(KEY, b"a", "req_1") != seal(KEY, b"a", "req_1")


def test_another_key_is_told_as_such() -> None:
    with pytest.raises(NotUnsealed, match="another key"):
        unseal(OTHER, seal(KEY, b"a", "req_1"), "req_1")


@pytest.mark.parametrize("at", [9, 20, -1])
def test_changed_text_is_told_as_such(at: int) -> None:
    sealed = bytearray(seal(KEY, b"a", "req_1"))
    sealed[at] ^= 1

    with pytest.raises(NotUnsealed, match="has been changed"):
        unseal(KEY, bytes(sealed), "req_1")


def test_text_of_another_call_and_a_part_of_one_are_not_read() -> None:
    sealed = seal(KEY, b"a", "req_1")

    with pytest.raises(NotUnsealed, match="has been changed"):
        unseal(KEY, sealed, "req_2")
    for length in range(len(sealed)):
        with pytest.raises(NotUnsealed):
            unseal(KEY, sealed[:length], "req_1")


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "ab" * 31, "ab" * 33])
def test_what_is_no_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        parse_key(text)

    assert not text or text not in str(caught.value)


def test_key_is_made_once_however_many_want_it_and_for_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "bodies.key"

    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: ensure_key(path), range(64)))

    assert keys == {read_key(path)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_key_that_cannot_be_read_or_made_is_told_with_its_file(tmp_path: Path) -> None:
    broken = tmp_path / "bodies.key"
    broken.write_text("nonsense")

    with pytest.raises(InvalidKey, match=r"bodies.key: It holds no key"):
        ensure_key(broken)
    with pytest.raises(InvalidKey, match=r"nowhere.key', cannot be read: No such file"):
        read_key(tmp_path / "nowhere.key")
    with pytest.raises(InvalidKey, match=r"cannot be made: File exists"):
        ensure_key(broken / "bodies.key")
