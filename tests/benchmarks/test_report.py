"""How samples become the tables: medians, ratios within a round, bars, failures."""

from datetime import UTC, datetime

from benchmarks.figures import Results
from benchmarks.report import Report
from benchmarks.scenarios import Plan


def results(relay_us: list[float], ferrogw_us: list[float]) -> Results:
    filled = Results()
    for name, values in (("relay", relay_us), ("ferrogw", ferrogw_us)):
        for index, value in enumerate(values):
            filled.add(name, index, {"small_cpu_us": value})
    return filled


def text_of(of: Results) -> str:
    machine = {"cpu": "A", "cores": 2, "kernel": "6", "python": "3.11"}
    return Report(Plan(), of, "abc1234", datetime(2025, 1, 2, tzinfo=UTC), machine).as_text()


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    drifting = results([100, 200, 900], [200, 400, 1000])

    assert drifting.ratio("relay", "ferrogw", "small_cpu_us") == 0.5


def test_figure_that_failed_in_one_round_is_not_counted() -> None:
    failed = results([100, 200, 300], [200, 400, 600])
    failed.rounds["relay"][1] = {}

    assert failed.median("relay", "small_cpu_us") is None
    assert failed.ratio("relay", "ferrogw", "small_cpu_us") is None


def test_parts_of_metering_are_the_medians_of_the_rounds_differences() -> None:
    drifting = results([140, 250, 960], [200, 400, 1000])
    for index, (unmetered, unwritten) in enumerate([(100, 120), (200, 230), (900, 941)]):
        drifting.add("unmetered", index, {"small_cpu_us": unmetered})
        drifting.add("before, unwritten", index, {"small_cpu_us": unmetered + 5})
        drifting.add("unwritten", index, {"small_cpu_us": unwritten})

    waits, more, follows = [line for line in text_of(drifting).splitlines() if "wait" in line or "follows" in line]

    assert " 30 " in waits
    assert " 25 " in more
    assert "≤ 40 reached" in more
    assert " 20 " in follows


def test_bar_is_shown_reached_or_not() -> None:
    assert "≤ 0.9 reached" in text_of(results([100], [200]))
    assert "≤ 0.9 not reached" in text_of(results([190], [200]))


def test_failures_are_in_the_report() -> None:
    failed = results([100], [200])
    failed.failures.append("ferrogw, burst, round 1: status 500")

    assert "- ferrogw, burst, round 1: status 500" in text_of(failed)
