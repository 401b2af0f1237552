"""What the gateway itself says in streams: pings that each official SDK skips."""

import json

import pytest

from app.api.relay import Surface
from app.api.surfaces import CHAT, MESSAGES, STREAM_GENERATE_CONTENT
from tests.dialects.gemini.sdk import streamed


def chunk(text: str) -> bytes:
    return b"data: " + json.dumps({"candidates": [{"content": {"parts": [{"text": text}]}}]}).encode() + b"\n\n"


def test_googles_sdk_skips_the_pings_of_its_streams() -> None:
    write_ping = STREAM_GENERATE_CONTENT.voice.write_ping
    assert write_ping is not None
    ping = write_ping("m")

    said = streamed(ping + chunk("a") + ping + ping + chunk("b") + ping)

    assert [each.text for each in said] == ["a", "b"]


def test_googles_sdk_fails_at_comments_which_is_why_it_gets_none() -> None:
    with pytest.raises(Exception, match="Failed to parse response as JSON"):
        streamed(chunk("a") + b": ping\n\n")


@pytest.mark.parametrize("surface", [CHAT, MESSAGES])
def test_other_event_streams_are_pinged_by_comments(surface: Surface) -> None:
    write_ping = surface.voice.write_ping

    assert write_ping is not None
    assert write_ping("m") == b": ping\n\n"
