"""The gateway with a profiler in it: `python -m benchmarks.profiled FILE ARGUMENTS…` is `llm-relay ARGUMENTS…`.

SIGUSR1 starts the profiler, SIGUSR2 stops it and writes FILE; so a start-up and a warm-up stay out of it.
"""

import cProfile
import signal
import sys
from pathlib import Path

from cli.__main__ import main


def serve(output: Path, arguments: list[str]) -> None:
    """Run the command line of the gateway in this process."""
    profiler = cProfile.Profile()

    def stop(*_: object) -> None:
        profiler.disable()
        unfinished = output.with_suffix(".part")
        profiler.dump_stats(unfinished)
        unfinished.rename(output)  # who waits for the file finds it whole

    signal.signal(signal.SIGUSR1, lambda *_: profiler.enable())
    signal.signal(signal.SIGUSR2, stop)
    sys.argv = ["llm-relay", *arguments]
    main()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
