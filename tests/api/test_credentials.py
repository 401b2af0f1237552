"""Where clients put their token."""

import pytest

from app.api.credentials import read_authorization


@pytest.mark.parametrize(
    ("headers", "query", "authorization"),
    [
        ({}, b"", None),
        ({b"authorization": b"Bearer a"}, b"", "Bearer a"),
        ({b"authorization": b"Basic a", b"x-api-key": b"b"}, b"", "Basic a"),
        ({b"x-api-key": b"b"}, b"", "Bearer b"),
        ({b"x-goog-api-key": b"c"}, b"key=d", "Bearer c"),
        ({b"api-key": b"e"}, b"", "Bearer e"),
        ({b"x-api-key": b""}, b"alt=sse&key=lr_a%5Fb", "Bearer lr_a_b"),
        ({}, b"monkey=1", None),
        ({}, b"key=", None),
    ],
)
def test_token_is_found_where_the_client_put_it(
    headers: dict[bytes, bytes], query: bytes, authorization: str | None
) -> None:
    assert read_authorization(headers, query) == authorization
