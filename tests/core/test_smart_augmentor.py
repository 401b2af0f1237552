"""What the definition of an augmentor may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.smart import make_smart


@pytest.mark.parametrize(
    "url", ["http://searxng:8080", "https://search.example/searx/", "http://[fd00::7]:8080", "http://10.0.0.7"]
)
def test_address_of_a_search_service_is_taken(url: str) -> None:
    assert make_smart("augmentor", "web", search_provider_url=url).model_dump()["search_provider_url"] == url


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"search_provider_url": "searxng:8080"}, "is no address"),
        ({"search_provider_url": "ftp://searxng"}, "is no address"),
        ({"search_provider_url": "http://user:secret@searxng"}, "is no address"),
        ({"search_provider_url": "http://searxng/?q=x"}, "is no address"),
        ({"search_provider_url": "http://searxng\n.example"}, "is no address"),
        ({"search_provider_url": "https://x.example", "search_provider": "perplexity"}, "needs no search_provider_url"),
        ({"designator_model": None}, "needs designator_model"),
        ({"search_provider": "google"}, "searxng"),
    ],
)
def test_definition_that_cannot_work_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make_smart("augmentor", "web", **fields)
