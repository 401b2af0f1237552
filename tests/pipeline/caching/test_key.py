"""What a cache compares: nothing that may change an answer is left out, whatever it is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.call import Call
from app.core.smart import Cache
from app.dialects.conversation import read_chat
from app.pipeline.caching.key import Key, key_of, pair_id
from tests.calls import PRINCIPAL, make_call
from tests.smart import make_smart

QUESTION = "What is the capital of France?"

words = st.text("abXY01 é\u2028\"'{}[],:|\\\n", min_size=1, max_size=6).filter(lambda text: text.strip())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """All that a boundary may be made of: who asks, of which cache, and with what around the question."""
    return {
        "username": draw(st.sampled_from(["alice", "bob"])),
        "tags": draw(st.sampled_from([(), ("a",), ("a", "b"), ("a,b",)])),
        "share": draw(st.sampled_from(["user", "tag", "everyone"])),
        "cache_id": draw(st.sampled_from(["c1", "c2"])),
        "target": draw(st.sampled_from(["acme/x", "acme/y"])),
        "before": tuple(draw(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), words), max_size=2))),
        "image": draw(st.sampled_from([None, "https://a.test/1.png", "https://a.test/2.png"])),
        "payload": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "temperature": st.sampled_from([0, 0.5]),
                    "max_tokens": st.sampled_from([5, 6]),
                    "stop": st.lists(words, min_size=1, max_size=2),
                    "response_format": st.sampled_from([{"type": "json_object"}]),
                    "tools": st.just(
                        [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
                    ),
                    "logit_bias": st.dictionaries(words, st.integers(-2, 2), min_size=1, max_size=2),
                    "x_own": json_values,
                },
            )
        ),
    }


def call_of(said: dict[str, Any]) -> Call:
    content: Any = QUESTION
    if said["image"]:
        image = {"type": "image_url", "image_url": {"url": said["image"]}}
        content = [{"type": "text", "text": QUESTION}, image]
    messages = [{"role": role, "content": text} for role, text in said["before"]]
    principal = replace(PRINCIPAL, username=said["username"], tags=said["tags"])
    return make_call(
        {**said["payload"], "messages": [*messages, {"role": "user", "content": content}]}, principal=principal
    )


def key_for(said: dict[str, Any], **cache: Any) -> Key | None:
    call = call_of(said)
    request = read_chat(call)
    model = make_smart("cache", "faq", share=said["share"], **cache)
    assert isinstance(model, Cache)
    return None if request is None else key_of(call, request, model, said["cache_id"], said["target"])


def tenant_of(said: dict[str, Any]) -> Any:
    """Written once more, in words of its own."""
    if said["share"] == "everyone":
        return ()
    if said["share"] == "tag" and said["tags"]:
        return ("tags", frozenset(said["tags"]))
    return ("user", said["username"])


@given(asked(), asked())
def test_two_calls_share_a_space_only_where_all_that_matters_is_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = key_for(one), key_for(other)
    if first is None or second is None:
        return

    same = tenant_of(one) == tenant_of(other) and all(
        one[name] == other[name] for name in ("cache_id", "target", "before", "image", "payload")
    )

    if first.space == second.space:
        assert same or _says_nothing(one, other)
    if same:
        assert first.space == second.space
        assert first.id == second.id


def _says_nothing(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Null is what was not said."""
    plain = [{name: value for name, value in said["payload"].items() if value is not None} for said in (one, other)]
    rest = [{**said, "payload": None, "tags": None, "username": None, "share": None} for said in (one, other)]
    return plain[0] == plain[1] and rest[0] == rest[1] and tenant_of(one) == tenant_of(other)


@given(words, words)
def test_question_is_in_the_id_and_not_in_the_space(one: str, other: str) -> None:
    keys = []
    for text in (one, other):
        call = make_call({"messages": [{"role": "user", "content": text}]})
        request = read_chat(call)
        cache = make_smart("cache", "faq")
        assert request is not None
        assert isinstance(cache, Cache)
        key = key_of(call, request, cache, "c1", "acme/x")
        assert key is not None
        keys.append(key)

    first, second = keys
    assert first.space == second.space
    assert (first.id == second.id) == (first.question == second.question)


def test_pair_is_the_same_for_all_who_ask_but_not_for_two_caches() -> None:
    assert pair_id("c1", QUESTION) == pair_id("c1", QUESTION)
    assert len({pair_id("c1", QUESTION), pair_id("c2", QUESTION), pair_id("c1", "Other")}) == 3


ONE, OTHER = ({"type": "image_url", "image_url": {"url": f"https://a.test/{n}.png"}} for n in "12")


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def key_with(content: Any, **more: Any) -> Key:
    call = make_call({"messages": [{"role": "user", "content": content, **more}]})
    request, cache = read_chat(call), make_smart("cache", "faq")
    assert request is not None
    assert isinstance(cache, Cache)
    key = key_of(call, request, cache, "c1", "acme/x")
    assert key is not None
    return key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (key_with([text("Cat:"), ONE, text("Dog:"), OTHER]), key_with([text("Cat:"), OTHER, text("Dog:"), ONE])),
        (key_with([text("Cat:"), ONE, text("Dog:"), OTHER]), key_with([ONE, text("Cat:"), OTHER, text("Dog:")])),
        (key_with([text("a\nb"), ONE, text("c")]), key_with([text("a"), ONE, text("b\nc")])),
        (key_with([ONE, text("What is above?")]), key_with([text("What is above?"), ONE])),
        (key_with("What is my name?", name="ann"), key_with("What is my name?", name="bob")),
    ],
)
def test_place_of_pictures_and_the_name_of_who_speaks_matter(one: Key, other: Key) -> None:
    assert one.question == other.question
    assert one.space != other.space


def test_text_in_pieces_is_text() -> None:
    assert key_with([text("a"), text("b")]) == key_with("a\nb")


def test_parameter_of_another_dialect_is_another_one() -> None:
    keys = []
    for dialect in ("openai", "anthropic"):
        call = make_call({"messages": [{"role": "user", "content": "Hi"}], "x": 1}, dialect=dialect)
        request, cache = read_chat(call), make_smart("cache", "faq")
        assert request is not None
        assert isinstance(cache, Cache)
        keys.append(key_of(call, request, cache, "c1", "acme/x"))

    assert keys[0] != keys[1]
