"""What several workers have under way, as one."""

from dataclasses import replace

import pytest

from app.live.snapshot import LiveCall, ProviderReach, Snapshot, TargetHealth, read_snapshot, together, write_snapshot

CALL = LiveCall("a", "ann", "AAAAAAAA", "gpt", "openai", "gpt-5", "chat", True, 20, True, 3, 4, True)
HEALTH = TargetHealth("openai", "gpt-5", 1, "closed", 10, 0, 1, 100.0, 0.0)
REACH = ProviderReach("openai", True, "answers; 2 models", 2, 100.5, 30)


def test_snapshot_is_read_as_it_was_written() -> None:
    snapshot = Snapshot(7, [CALL], [HEALTH], [REACH])

    assert read_snapshot(write_snapshot(snapshot)) == snapshot
    with pytest.raises(TypeError):
        read_snapshot(write_snapshot(snapshot) | {"calls": [{"of": "another version"}]})


def test_several_workers_are_told_as_one() -> None:
    older = replace(CALL, id="b", started_ms=10)
    worse = replace(HEALTH, state="open", calls=40, failures=10, first_byte_ms=20.0, retry_s=9.5)
    other = replace(HEALTH, model="gpt-5-mini", calls=1000)

    snapshot = together([Snapshot(1, [CALL], [other, HEALTH]), Snapshot(5, [older], [worse]), Snapshot()])

    assert (snapshot.count, [call.id for call in snapshot.calls]) == (6, ["b", "a"])
    both, alone = snapshot.targets
    assert both == TargetHealth("openai", "gpt-5", 1, "open", 50, 10, 2, 40.0, 9.5)
    assert alone == other


def test_worker_that_asked_a_provider_last_has_the_last_word_on_it() -> None:
    later = replace(REACH, ok=False, words="cannot be reached", models=None, at=101.0)
    other = replace(REACH, provider="xai", at=1.0)

    snapshot = together([Snapshot(providers=[later]), Snapshot(providers=[REACH, other])])

    assert {each.provider: each for each in snapshot.providers} == {"openai": later, "xai": other}


def test_first_byte_that_nobody_knows_is_none() -> None:
    unknown = replace(HEALTH, first_byte_ms=None)

    (target,) = together([Snapshot(0, [], [unknown]), Snapshot(0, [], [unknown])]).targets

    assert target.first_byte_ms is None
