"""What a cache's definition may say."""

import pytest

from app.core.smart import Cache


@pytest.mark.parametrize("said", [1, 1.0, "1", "1%", " 1 % "])
def test_bound_on_errors_may_be_written_with_its_sign(said: object) -> None:
    assert Cache.model_validate({"name": "faq", "target_model": "acme/gpt-x", "max_error": said}).max_error == 1.0


def test_share_that_is_checked_may_be_none_and_be_written_so_too() -> None:
    shares = [Cache(name="faq", target_model="acme/gpt-x", recheck_percent=said) for said in ("5%", 0)]

    assert [each.recheck_percent for each in shares] == [5.0, 0.0]


@pytest.mark.parametrize("said", ["0%", "101%", "%", "1 percent", "1%%"])
def test_bound_that_is_none_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="max_error"):
        Cache.model_validate({"name": "faq", "target_model": "acme/gpt-x", "max_error": said})
