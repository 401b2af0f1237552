"""What the tests of smart models have in common."""

import pytest

import app.providers.registry as registry


@pytest.fixture(autouse=True)
def _no_lists_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing asks providers here, so that what waits for their lists would wait in vain."""
    monkeypatch.setattr(registry, "SETTLE_S", 0.01)
