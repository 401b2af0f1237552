"""What a provider's configuration puts into a request, whichever way it is written."""

from typing import Any

import pytest

from app.core.jsonio import dumps, loads
from app.dialects.splice import Additions, rewrite

SEARCH = {"type": "web_search"}
FUNCTION = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("payload", "additions", "expected"),
    [
        ({"a": 1}, Additions(extra={"a": 2, "b": 3}), {"a": 2, "b": 3}),
        ({"a": 1}, Additions(defaults={"a": 2, "b": 3}), {"a": 1, "b": 3}),
        ({"a": {"x": 1, "y": 1}}, Additions(extra={"a": {"y": 2}}), {"a": {"x": 1, "y": 2}}),
        ({"tools": [FUNCTION]}, Additions(extra={"tools": [SEARCH]}), {"tools": [FUNCTION, SEARCH]}),
        ({}, Additions(extra={"tools": [SEARCH]}), {"tools": [SEARCH]}),
        ({"stop": ["a"]}, Additions(extra={"stop": ["b"]}), {"stop": ["b"]}),
        ({}, Additions(extra={"a": 1}, defaults={"a": 2}), {"a": 1}),
    ],
)
def test_additions_are_the_same_in_a_body_that_passes_and_in_one_that_crosses(
    payload: dict[str, Any], additions: Additions, expected: dict[str, Any]
) -> None:
    passed = rewrite(dumps(payload), payload, name="m", model=None, additions=additions)

    assert loads(passed) == additions.added_to(payload) == expected


def test_body_without_members_takes_them() -> None:
    assert rewrite(b"{ }", {}, name="m", model=None, additions=Additions(extra={"a": 1})) == b'{"a":1 }'
