"""The answer to a question for a count."""

import json

from anthropic.types import MessageTokensCount

from app.dialects.anthropic.tokens import write_count


def test_count_is_what_the_sdk_reads() -> None:
    assert MessageTokensCount.model_validate(json.loads(write_count(12))).input_tokens == 12
