"""Usage of messages, in classes that do not overlap."""

from typing import Any

import pytest

from app.core.usage import Usage
from app.dialects.anthropic.usage import read_usage, write_usage


def report(given: int = 10, made: int = 5, **more: Any) -> dict[str, Any]:
    return {"input_tokens": given, "output_tokens": made, **more}


def kept(for_5m: int, for_1h: int) -> dict[str, int]:
    return {"ephemeral_5m_input_tokens": for_5m, "ephemeral_1h_input_tokens": for_1h}


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (report(cache_creation_input_tokens=30), Usage(10, cache_write=30, output=5)),
        (
            report(cache_creation_input_tokens=30, cache_creation=kept(10, 20)),
            Usage(10, cache_write=10, cache_write_1h=20, output=5),
        ),
        (report(cache_creation=kept(10, 20)), Usage(10, cache_write=10, cache_write_1h=20, output=5)),
        # The total is what counts.
        (report(cache_creation_input_tokens=15, cache_creation=kept(10, 20)), Usage(10, cache_write_1h=15, output=5)),
        (report(cache_read_input_tokens=7), Usage(10, 7, output=5)),
        (report(output_tokens_details={"thinking_tokens": 2}), Usage(10, output=3, reasoning=2)),
        (report(server_tool_use={"web_search_requests": 2, "web_fetch_requests": 9}), Usage(10, output=5, searches=2)),
        (report(service_tier="standard"), Usage(10, output=5)),
        (report(service_tier="priority"), Usage(10, output=5, tier="priority")),
        (report(service_tier="batch"), Usage(10, output=5, tier="batch")),
        (report(service_tier="standard", speed="fast"), Usage(10, output=5, tier="fast")),
        (report(speed="standard"), Usage(10, output=5)),
        (
            report(iterations=[{"type": "compaction", **report(1, 2, cache_creation=kept(3, 4))}, {"type": "message"}]),
            Usage(11, cache_write=3, cache_write_1h=4, output=7),
        ),
        (report(0, 0, server_tool_use={"web_search_requests": 2}), None),
        ({"input_tokens": 5}, None),
    ],
)
def test_report_is_read(reported: Any, usage: Usage | None) -> None:
    assert read_usage(reported) == usage


def test_what_is_written_is_read() -> None:
    usage = Usage(1, 2, 3, output=4, reasoning=5, cache_write_1h=6, searches=7)

    assert read_usage(write_usage(usage)) == usage


def test_audio_and_images_have_no_place_of_their_own_but_are_not_lost() -> None:
    usage = Usage(1, output=2, input_audio=3, input_image=4, output_audio=5, output_image=6)

    assert read_usage(write_usage(usage)) == Usage(8, output=13)
