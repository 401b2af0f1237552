"""What counts as a call that went well."""

import pytest

from app.core.reply import Outcome, went_well


@pytest.mark.parametrize(
    ("status", "outcome", "well"),
    [
        (200, Outcome.OK, True),
        (200, Outcome.CLIENT_GONE, True),
        (200, Outcome.CUT, False),
        (200, Outcome.ERROR, False),
        (399, Outcome.OK, True),
        (400, Outcome.OK, False),
        (499, Outcome.CLIENT_GONE, False),
        (502, Outcome.ERROR, False),
    ],
)
def test_call_went_well_by_its_status_and_how_it_ended(status: int, outcome: Outcome, well: bool) -> None:
    assert went_well(status, outcome) is well
    assert went_well(status, outcome.value) is well, "as it is kept"
