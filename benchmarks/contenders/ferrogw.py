"""ferrogw, a gateway written in Go: what the bar is set against."""

import json
from pathlib import Path

from benchmarks import wire
from benchmarks.contenders.packages import installed
from benchmarks.servers import Launch

_VERSION = "1.5.10"
_MASTER_KEY = "fgw_00000000000000000000000000000000"


class Ferrogw:
    """The binary of the `ferrogw` package with its own authentication on; state in memory, its default."""

    name = "ferrogw"

    def install(self) -> str:
        installed(self.name, f"ferrogw=={_VERSION}")
        return _VERSION

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        target = {"virtual_key": "openai", "models": list(wire.MODELS)}  # it routes only models it has heard of
        config = {"strategy": {"mode": "fallback"}, "targets": [target]}
        (folder / "config.json").write_text(json.dumps(config))
        env = {
            "PORT": str(port),
            "GATEWAY_CONFIG": str(folder / "config.json"),
            "MASTER_KEY": _MASTER_KEY,
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": upstream,
            # 20 calls a second and client by default; 0 would take the limiter out, which would not be fair either way.
            "RATE_LIMIT_RPS": "1000000000",
            "RATE_LIMIT_BURST": "1000000000",
            "FERRO_MODEL_CATALOG_TIMEOUT": "0",  # the catalogue in the binary; no look-up outside at start
            "LOG_LEVEL": "info",
        }
        command = str(installed(self.name, f"ferrogw=={_VERSION}") / "ferrogw")
        return Launch([command, "serve"], port, folder, "/readyz", f"Bearer {_MASTER_KEY}", env)
