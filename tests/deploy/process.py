"""The gateway as a process, by whatever command it is started."""

import contextlib
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0

FROM_CHECKOUT = (sys.executable, "-m", "cli")


@contextlib.contextmanager
def serving(
    folder: Path,
    url: str,
    *arguments: str,
    command: Sequence[str] = FROM_CHECKOUT,
    environ: Mapping[str, str] | None = None,
    verify: ssl.SSLContext | bool = True,
) -> Iterator[None]:
    """`llm-relay serve` in `folder` for the length of the block, which begins when `url` answers.

    What it says is in `output.txt` beside the folder; its exit code is 0.
    """
    output_file = folder.parent / "output.txt"
    own = {"PYTHONPATH": str(ROOT)} if command is FROM_CHECKOUT else {}
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            [*command, "serve", *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], **own, **(environ or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            assert process.poll() is None, output_file.read_text()
            assert time.monotonic() < deadline, output_file.read_text()
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url, verify=verify, trust_env=False).raise_for_status()
                break
            time.sleep(0.05)
        yield
        process.terminate()
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait()
