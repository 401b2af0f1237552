"""Keys of conversations: the same while a conversation goes on, and never the same for two users or routers."""

from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from app.core.call import Call, Trace
from app.dialects.conversation import read_chat
from app.dialects.estimate import estimate
from app.pipeline.routing.question import QuestionReader
from app.pipeline.routing.sessions import session_key
from tests.calls import PRINCIPAL, make_call

READER = QuestionReader(read_chat, estimate)

# Few, short, and made of what could run together: digits, colons and nothing at all.
few = st.text(alphabet="a1:|\0", max_size=3)
who = st.tuples(few, few, few, few)
conversations = st.one_of(
    st.tuples(st.just("header"), few.filter(bool)),
    st.tuples(st.just("metadata"), few.filter(bool)),
    st.tuples(st.just("begins"), few),
)


def key_of(router: str, token: str, user: str, end_user: str, conversation: tuple[str, str] = ("begins", "Hi")) -> str:
    kind, value = conversation
    payload: dict[str, Any] = {"messages": [{"role": "user", "content": value if kind == "begins" else "Hi"}]}
    if kind == "metadata":
        payload["metadata"] = {"session_id": value}
    call = make_call(
        payload,
        principal=replace(PRINCIPAL, token_id=token, username=user),
        end_user=end_user or None,
        trace=Trace(session=value if kind == "header" else None),
    )
    return session_key(router, call, READER.read(call))


@given(who, who, conversations)
@example(("a", "1", "", ""), ("a1", "", "", ""), ("begins", "Hi"))  # the same, run together
def test_no_two_routers_tokens_users_or_end_users_share_a_conversation(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str], conversation: tuple[str, str]
) -> None:
    assert (key_of(*one, conversation) == key_of(*other, conversation)) == (one == other)


@given(conversations, conversations)
def test_no_two_conversations_are_the_same(one: tuple[str, str], other: tuple[str, str]) -> None:
    named = {"header", "metadata"}
    same = one == other or (one[1] == other[1] and {one[0], other[0]} <= named)

    assert (key_of("r", "t", "u", "", one) == key_of("r", "t", "u", "", other)) == same


def begun(*messages: dict[str, Any], **fields: Any) -> str:
    call: Call = make_call({"messages": list(messages), **fields})
    return session_key("r", call, READER.read(call))


SYSTEM, FIRST = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}


def test_conversation_that_goes_on_stays_the_same() -> None:
    more = {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "More"}

    assert begun(SYSTEM, FIRST) == begun(SYSTEM, FIRST, *more)


def test_other_beginnings_are_other_conversations() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    another = {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}
    beginnings: list[list[dict[str, Any]]] = [
        [FIRST],
        [SYSTEM, FIRST],
        [{"role": "system", "content": "Hi"}, {"role": "user", "content": "Be brief."}],
        [{"role": "user", "content": [picture]}],
        [{"role": "user", "content": [another]}],
    ]

    assert len({begun(*messages) for messages in beginnings}) == len(beginnings)


def test_conversation_is_named_by_the_responses_api_too() -> None:
    assert begun(FIRST, conversation={"id": "c"}) == begun(SYSTEM, FIRST, conversation="c")
    assert begun(FIRST, conversation="c") != begun(FIRST, conversation="d")
