"""Usages as properties are tested with."""

from typing import Any

from hypothesis import strategies as st

from app.core.usage import Usage


def usages_of(**counts: st.SearchStrategy[int]) -> st.SearchStrategy[Usage]:
    """Those classes drawn, and no others: `builds` by itself would draw the fields of a tuple that have defaults too."""
    return st.builds(_make, **counts)


def _make(**counts: Any) -> Usage:
    return Usage(**counts)
