"""Errors of desks become errors with a status."""

import pytest

from app.api.admin.refused import InvalidParameters, Refusals, refusing
from app.core.errors import RelayError


class Unfit(ValueError):
    pass


class Unknown(Unfit):
    pass


class NotFound(RelayError):
    status = 404


REFUSALS: Refusals = {Unknown: NotFound, Unfit: InvalidParameters}


@pytest.mark.parametrize(("error", "becomes"), [(Unknown, NotFound), (Unfit, InvalidParameters)])
def test_error_becomes_its_refusal_with_the_same_words(error: type[Exception], becomes: type[RelayError]) -> None:
    with pytest.raises(RelayError) as caught, refusing(REFUSALS):
        raise error("There is no such thing.")

    assert type(caught.value) is becomes
    assert caught.value.message == "There is no such thing."
    assert isinstance(caught.value.__cause__, error)


def test_error_that_is_not_named_passes() -> None:
    with pytest.raises(KeyError), refusing(REFUSALS):
        raise KeyError("a defect")
