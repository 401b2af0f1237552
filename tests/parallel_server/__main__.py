"""The stand-in by itself, for trials by hand: `python -m tests.parallel_server --port 8787 --secret whsec_…`.

A line `MONITOR_ID text` on its standard input lets a run of that monitor find the text; the webhook goes at Parallel's pace.
"""

import argparse
import sys

from tests.parallel_server.server import KEY, ParallelServer


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.parallel_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8787)
    parser.add_argument("--key", default=KEY, help="the API key that is taken")
    parser.add_argument("--secret", action="append", default=[], help="of the account; twice during a rotation")
    parser.add_argument("--legacy", action="store_true", help="sign as for older accounts")
    parser.add_argument("--pace", type=float, default=1.0, help="by which the pauses between attempts are multiplied")
    parser.add_argument("--first-run", action="append", default=[], help="what the first run of each monitor finds")
    given = parser.parse_args()
    server = ParallelServer(
        key=given.key,
        secrets=given.secret,
        legacy=given.legacy,
        pace=given.pace,
        first_run=given.first_run,
        port=given.port,
    )
    server.start()
    print(f"{server.base_url}, x-api-key {given.key}", file=sys.stderr)
    try:
        for line in sys.stdin:
            monitor_id, _, text = line.strip().partition(" ")
            try:
                print(server.detect(monitor_id, text))
            except KeyError:
                print(f"there is no monitor {monitor_id!r}: {server.active}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
