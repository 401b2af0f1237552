"""What watches finished calls: everybody sees every batch, and the labels follow the list of models."""

from collections.abc import Sequence

import pytest

from app.core.call import Choice, Route, Target
from app.core.record import CallRecord
from app.observation import all_of, listed_targets
from app.providers.snapshot import ListedModel
from tests.calls import make_record


def test_every_observer_sees_a_batch_also_where_another_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def fails(_records: Sequence[CallRecord]) -> None:
        raise ValueError("broken")

    def sees(records: Sequence[CallRecord]) -> None:
        seen.extend(record.id for record in records)

    all_of(fails, sees)([make_record(id="a"), make_record(id="b")])

    assert seen == ["a", "b"]
    assert "fails" in caplog.text


def test_targets_of_the_list_are_known_and_those_of_a_new_list_too() -> None:
    class Models:
        """All that is asked of a registry."""

        models: Sequence[ListedModel] = ()

    one, other = Target("openai", "gpt-x"), Target("xai", "grok", secret=1)
    registry = Models()
    listed = listed_targets(registry)  # type: ignore[arg-type]
    assert listed() == frozenset()

    registry.models = [ListedModel("fast", one, Route((Choice(one), Choice(other)), name="fast"))]

    assert listed() == {("openai", "gpt-x"), ("xai", "grok")}
