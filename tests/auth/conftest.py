"""The tests here run on both kinds of database."""

import pytest

from tests.databases import KINDS


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind
