"""What becomes a tag, what is refused, and what never gets that far."""

import pytest

from app.core.tags import MAX_TAG_LENGTH, MAX_TAGS, InvalidTags, Tags, checked_tags, read_tags

TOKEN = "lr_Ab3dEf9h_" + "0aB" * 14 + "x"
IMPORTED = "a,b@c:d-of-a-predecessor"


def test_tags_are_split_trimmed_sorted_and_each_there_once() -> None:
    assert read_tags([" team-b , team-a,,", "team-b", "", "Team-A"]) == Tags(("Team-A", "team-a", "team-b"))


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"of-{TOKEN}",
        "Bearer abc",
        "bearer  abc",
        "sk-1",
        "SK-proj",
        "gsk_0123456789",
        "AIzaSyD0123456789",
        "Bearer " + TOKEN,
        "own-credential",
        "x own-credential x",
    ],
)
def test_secret_is_left_out_and_counted(text: str) -> None:
    assert read_tags([f"a,{text}", "b"], ("own-credential",)) == Tags(("a", "b"), 1)


def test_secret_with_commas_leaves_no_part_of_it() -> None:
    assert read_tags([f"a,{IMPORTED},b"], (IMPORTED,)) == Tags(("a", "b"), 1)


@pytest.mark.parametrize("tag", ["skill", "sk", "beard", "team@home", "a b", "überall", "v1.2:beta", "task-sk-1"])
def test_what_is_no_secret_stays(tag: str) -> None:
    assert read_tags([tag], ("own-credential",)) == Tags((tag,))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([f"t{number}" for number in range(MAX_TAGS + 1)], "There are 33 tags; a call may have 32"),
        (["x" * (MAX_TAG_LENGTH + 1)], "too long: 100 characters at most"),
        (["a\nb"], r"The tag 'a\\nb' has characters that cannot be printed"),
        (["a\x00"], "cannot be printed"),
        (["a\x1b[31mb"], "cannot be printed"),
        (["\ud800"], "cannot be printed"),
    ],
)
def test_what_cannot_be_a_tag_is_told(texts: list[str], words: str) -> None:
    with pytest.raises(InvalidTags, match=words):
        read_tags(texts)


def test_as_many_and_as_long_as_may_be_are_taken() -> None:
    texts = [f"{number:0{MAX_TAG_LENGTH}}" for number in range(MAX_TAGS)]

    assert read_tags(texts).names == tuple(texts)


def test_operator_is_told_of_a_secret() -> None:
    assert checked_tags(["b,a"]) == ("a", "b")
    with pytest.raises(InvalidTags, match="cannot be a tag"):
        checked_tags(["a", TOKEN])
