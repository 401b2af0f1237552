"""The name of an alert, as an operator types it."""

import pytest

from app.core.alert import AlertKey


@pytest.mark.parametrize(
    "key",
    [
        AlertKey("auth_error", "openai", "gpt-x", 401),
        AlertKey("not_found", "openrouter", "meta/llama-4:free", 404),
        AlertKey("journal_behind", "", "", 0),
    ],
    ids=str,
)
def test_key_is_read_as_it_is_written(key: AlertKey) -> None:
    assert AlertKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text", ["", "auth_error", "auth_error/openai/401", "auth_error/openai/gpt-x/", "/a/b/1", "a/b/c/9999"]
)
def test_what_is_no_name_of_an_alert_is_none(text: str) -> None:
    assert AlertKey.parse(text) is None
