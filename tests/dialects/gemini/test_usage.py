"""Usage of Gemini's API, in classes that do not overlap."""

from typing import Any

import pytest

from app.core.usage import Usage
from app.dialects.gemini.usage import count_searches, read_usage, write_usage


def counts(**modalities: int) -> list[dict[str, Any]]:
    return [{"modality": modality, "tokenCount": count} for modality, count in modalities.items()]


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"promptTokenCount": 9, "promptTokensDetails": counts(TEXT=2, AUDIO=3, IMAGE=4)}, Usage(2, input_audio=3, input_image=4)),
        ({"promptTokenCount": 9, "promptTokensDetails": counts(VIDEO=3, DOCUMENT=6)}, Usage(9)),
        (
            {
                "promptTokenCount": 20,
                "promptTokensDetails": counts(TEXT=5, AUDIO=15),
                "cachedContentTokenCount": 12,
                "cacheTokensDetails": counts(TEXT=2, AUDIO=10),
            },
            Usage(3, 12, input_audio=5),
        ),
        ({"candidatesTokenCount": 9, "candidatesTokensDetails": counts(TEXT=2, IMAGE=7)}, Usage(output=2, output_image=7)),
        ({"candidatesTokenCount": 9, "responseTokensDetails": counts(AUDIO=9)}, Usage(output_audio=9)),
        ({"promptTokenCount": 1, "toolUsePromptTokenCount": 5, "thoughtsTokenCount": 7}, Usage(6, reasoning=7)),
        ({"promptTokenCount": 1, "serviceTier": "standard"}, Usage(1)),
        ({"promptTokenCount": 1, "serviceTier": "flex"}, Usage(1, tier="flex")),
        ({"promptTokenCount": 1, "promptTokensDetails": [None, {"modality": 3}, {"tokenCount": 1}]}, Usage(1)),
        ({"serviceTier": "flex"}, None),
    ],
)  # fmt: skip
def test_report_is_read(reported: Any, usage: Usage | None) -> None:
    assert read_usage(reported) == usage


def test_what_is_written_is_read_but_for_what_the_cache_took() -> None:
    usage = Usage(
        1, 2, 3, output=4, reasoning=5, cache_write_1h=6, input_audio=7, output_audio=8, input_image=9, output_image=10
    )

    written = write_usage(usage)

    assert (written["totalTokenCount"], usage.total) == (55, 55)
    assert read_usage(written) == Usage(
        10, 2, output=4, reasoning=5, input_audio=7, output_audio=8, input_image=9, output_image=10
    )


def test_searches_are_the_queries_of_all_chunks_each_once() -> None:
    told: list[dict[str, Any]] = [
        {"webSearchQueries": ["a", "b"]},
        {"webSearchQueries": ["b", "", "c", 3]},
        {"groundingChunks": []},
    ]

    assert count_searches(told) == 3
