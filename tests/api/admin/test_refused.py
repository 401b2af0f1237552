"""Errors of desks become errors with a status."""

from functools import partial

import pytest

from app.api.admin.refused import InvalidParameters, NotFound, Refusals, refusing
from app.core.errors import RelayError


class Unfit(ValueError):
    pass


class Unknown(Unfit):
    pass


REFUSALS: Refusals = {Unknown: partial(NotFound, code="thing_not_found"), Unfit: InvalidParameters}


@pytest.mark.parametrize(
    ("error", "becomes", "code"),
    [(Unknown, NotFound, "thing_not_found"), (Unfit, InvalidParameters, "invalid_parameters")],
)
def test_error_becomes_its_refusal_with_the_same_words(
    error: type[Exception], becomes: type[RelayError], code: str
) -> None:
    with pytest.raises(RelayError) as caught, refusing(REFUSALS):
        raise error("There is no such thing.")

    assert (type(caught.value), caught.value.code) == (becomes, code)
    assert caught.value.message == "There is no such thing."
    assert isinstance(caught.value.__cause__, error)


def test_error_that_is_not_named_passes() -> None:
    with pytest.raises(KeyError), refusing(REFUSALS):
        raise KeyError("a defect")
