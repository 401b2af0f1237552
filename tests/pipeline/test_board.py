"""When a target is left alone, and when it is tried again."""

import pytest

from app.core.call import Target
from app.pipeline.board import (
    CONSECUTIVE_FAILURES,
    LEAST_CALLS,
    LONGEST_OPEN_S,
    MOST_ENTRIES,
    OPEN_S,
    WINDOW_S,
    Board,
)

ACME = Target("acme", "m")
OTHER = Target("other", "m")


class Clock:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(board: Board, times: int = CONSECUTIVE_FAILURES, target: Target = ACME) -> None:
    for _ in range(times):
        ticket = board.enter(target)
        assert ticket
        board.failed(target, ticket)


def succeed(board: Board, times: int = 1, target: Target = ACME, first_byte_s: float = 0.1) -> None:
    for _ in range(times):
        ticket = board.enter(target)
        assert ticket
        board.succeeded(target, ticket, first_byte_s)


def test_opens_after_failures_in_a_row_and_for_that_target_only() -> None:
    board = Board(clock=Clock())

    fail(board)

    assert not board.enter(ACME)
    assert board.enter(OTHER)
    assert board.retry_s(ACME) == OPEN_S
    assert board.healths()[ACME].state == "open"


def test_success_in_between_begins_the_row_anew() -> None:
    board = Board(clock=Clock())

    fail(board, CONSECUTIVE_FAILURES - 1)
    succeed(board)
    fail(board, CONSECUTIVE_FAILURES - 1)

    assert board.enter(ACME)


def test_opens_when_every_other_call_fails() -> None:
    board = Board(clock=Clock())

    for _ in range(LEAST_CALLS // 2 - 1):
        succeed(board)
        fail(board, 1)
    succeed(board)
    assert board.healths()[ACME].state == "closed"
    fail(board, 1)

    assert board.healths()[ACME].state == "open"


def test_old_failures_do_not_count() -> None:
    clock = Clock()
    board = Board(clock=clock)
    for _ in range(LEAST_CALLS):
        fail(board, CONSECUTIVE_FAILURES - 2)
        succeed(board)
        clock.now += WINDOW_S

    assert board.enter(ACME)


def test_one_call_probes_when_the_time_is_over() -> None:
    clock = Clock()
    board = Board(clock=clock)
    fail(board)

    clock.now += OPEN_S
    assert board.healths()[ACME].state == "half-open"

    assert board.enter(ACME)
    assert not board.enter(ACME)


def test_probe_that_goes_well_closes() -> None:
    clock = Clock()
    board = Board(clock=clock)
    fail(board)
    clock.now += OPEN_S

    succeed(board)

    assert board.healths()[ACME].state == "closed"
    fail(board, 1)
    assert board.enter(ACME)


def test_probe_that_fails_leaves_it_alone_for_twice_as_long_up_to_a_limit() -> None:
    clock = Clock()
    board = Board(clock=clock)
    fail(board)

    waits = []
    for _ in range(6):
        clock.now += board.retry_s(ACME)
        fail(board, 1)
        waits.append(board.retry_s(ACME))

    assert waits == [20, 40, 80, LONGEST_OPEN_S, LONGEST_OPEN_S, LONGEST_OPEN_S]


def test_probe_that_says_nothing_makes_way_for_another() -> None:
    clock = Clock()
    board = Board(clock=clock)
    fail(board)
    clock.now += OPEN_S
    probe = board.enter(ACME)
    assert probe

    board.left(ACME, probe)

    assert board.enter(ACME)


@pytest.mark.parametrize("probing", [False, True])
def test_call_from_before_the_opening_does_not_close_it(probing: bool) -> None:
    clock = Clock()
    board = Board(clock=clock)
    early = board.enter(ACME)
    fail(board)
    clock.now += OPEN_S if probing else OPEN_S / 2
    assert bool(board.enter(ACME)) is probing

    board.succeeded(ACME, early, 0.1)

    assert board.healths()[ACME].state == ("half-open" if probing else "open")
    assert not board.enter(ACME)


def test_call_from_before_the_opening_does_not_fail_the_probe() -> None:
    clock = Clock()
    board = Board(clock=clock)
    early, breaking = board.enter(ACME), board.enter(ACME)
    board.succeeded(ACME, breaking, 0.1)
    fail(board)
    clock.now += OPEN_S
    probe = board.enter(ACME)

    board.failed(ACME, early)
    board.broke(ACME, breaking)
    assert board.retry_s(ACME) == 0
    board.succeeded(ACME, probe, 0.1)

    assert board.healths()[ACME].state == "closed"


def test_call_from_before_the_opening_that_leaves_lets_no_second_one_probe() -> None:
    clock = Clock()
    board = Board(clock=clock)
    early = board.enter(ACME)
    fail(board)
    clock.now += OPEN_S
    assert board.enter(ACME)

    board.left(ACME, early)

    assert not board.enter(ACME)


def test_calls_from_before_the_opening_do_not_open_it_again_after_a_good_probe() -> None:
    clock = Clock()
    board = Board(clock=clock)
    early = [board.enter(ACME) for _ in range(LEAST_CALLS)]
    fail(board)
    clock.now += OPEN_S
    succeed(board)

    for ticket in early:
        board.failed(ACME, ticket)

    assert board.healths()[ACME].state == "closed"
    assert board.healths()[ACME].failures == CONSECUTIVE_FAILURES + LEAST_CALLS


def test_call_that_asks_always_closes_it_when_it_goes_well() -> None:
    board = Board(clock=Clock())
    fail(board)

    board.succeeded(ACME, board.enter(ACME, always=True), 0.1)

    assert board.healths()[ACME].state == "closed"


def test_replies_that_break_off_count_as_failures() -> None:
    board = Board(clock=Clock())
    for _ in range(LEAST_CALLS):
        if ticket := board.enter(ACME):
            board.succeeded(ACME, ticket, 0.1)
            board.broke(ACME, ticket)

    assert board.healths()[ACME].state == "open"


def test_calls_under_way_are_counted() -> None:
    board = Board(clock=Clock())
    board.enter(ACME)
    board.left(ACME, board.enter(ACME))

    assert board.healths()[ACME].under_way == 1


def test_the_faster_of_two_comes_first_whatever_the_lot() -> None:
    board = Board(clock=Clock())
    succeed(board, 20, ACME, first_byte_s=2.0)
    succeed(board, 20, OTHER, first_byte_s=0.1)

    assert {tuple(board.fastest_first([ACME, OTHER])) for _ in range(20)} == {(OTHER, ACME)}


def test_the_busy_one_gives_way() -> None:
    board = Board(clock=Clock())
    succeed(board, 20, ACME, first_byte_s=0.2)
    succeed(board, 20, OTHER, first_byte_s=0.1)
    for _ in range(3):
        board.enter(OTHER)

    assert board.fastest_first([ACME, OTHER])[0] == ACME


def test_one_that_was_never_asked_is_tried() -> None:
    board = Board(clock=Clock())
    succeed(board, 1, ACME)

    assert board.fastest_first([ACME, OTHER])[0] == OTHER


def test_fastest_of_many_keeps_every_target_once(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [Target("acme", str(number)) for number in range(5)]
    monkeypatch.setattr("random.sample", lambda _population, _k: [targets[3], targets[1]])

    ordered = Board(clock=Clock()).fastest_first(targets)

    assert ordered == [targets[3], targets[0], targets[1], targets[2], targets[4]]


def test_names_without_end_do_not_fill_the_board() -> None:
    board = Board(clock=Clock())
    fail(board, target=OTHER)

    for number in range(3 * MOST_ENTRIES):
        succeed(board, target=Target("open", str(number)))

    assert len(board.healths()) <= MOST_ENTRIES + 1
    assert not board.enter(OTHER)
