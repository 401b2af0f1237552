"""`python -m benchmarks`: measure the gateway, and other gateways beside it."""

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import profiling, report, rounds
from benchmarks.contenders import PEERS, RELAY
from benchmarks.contenders.metering import EarlierUnwritten, Unmetered, Unwritten
from benchmarks.contenders.packages import ROOT
from benchmarks.contenders.relay import EarlierRelay
from benchmarks.scenarios import LOADS, QUICK, Plan


def main(argv: list[str] | None = None) -> int:
    """Give 0 when everything was measured, 1 when anything failed, 130 when it was interrupted."""
    options = _arguments(argv)
    # A `kill` ends the run as Ctrl-C does: through every `finally`, so that no server is left behind.
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in its background without it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if options.profile:
        print(profiling.profile(options.profile), end="")
        return 0
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    contenders = [*([] if options.without_relay else [RELAY]), *(PEERS[name] for name in options.peers)]
    if options.before:
        contenders.append(EarlierRelay(options.before))
    if options.metering:
        contenders += [Unmetered(), Unwritten(), *([EarlierUnwritten(options.before)] if options.before else [])]
    began, commit = report.now(), report.describe_commit(ROOT)
    try:
        results = rounds.run(plan, options.only, contenders, lambda line: print(line, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        print("interrupted: nothing is reported", file=sys.stderr)
        return 130
    done = report.Report(plan, results, commit, began, report.describe_machine())
    print(done.as_text(), end="")
    if not options.no_save:
        for path in done.save(Path(__file__).parent / "results"):
            print(f"saved {path.relative_to(ROOT)}", file=sys.stderr)
    return 1 if results.failures else 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", type=_names(tuple(PEERS)), default=[], help=f"to compare with: {','.join(PEERS)}")
    parser.add_argument("--before", metavar="COMMIT", help="the gateway of that commit, to compare with too")
    parser.add_argument("--metering", action="store_true", help="also what a call's record costs, and what follows it")
    parser.add_argument(
        "--only", type=_names(rounds.SCENARIOS), default=rounds.SCENARIOS, help=f"of {','.join(rounds.SCENARIOS)}"
    )
    parser.add_argument("--rounds", type=_positive, help="how often everything is measured")
    parser.add_argument("--quick", action="store_true", help="within a minute, with figures that spread more")
    parser.add_argument("--without-relay", action="store_true", help="only the peers")
    parser.add_argument("--profile", choices=LOADS, help="instead show where the gateway's time goes under one load")
    parser.add_argument("--no-save", action="store_true", help="leave benchmarks/results alone")
    return parser.parse_args(argv)


def _names(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := sorted(set(names) - set(known)):
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return parse


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
