"""LiteLLM's proxy, one worker, with its master key for authentication."""

import json
from pathlib import Path

from benchmarks import wire
from benchmarks.contenders.packages import installed
from benchmarks.servers import Launch

_VERSION = "1.106.2"  # 1.109.1 asks for a litellm-proxy-extras that is not published
_MASTER_KEY = "sk-bench"


class LiteLLM:
    """The `litellm[proxy]` package without a database, its default."""

    name = "litellm"

    def install(self) -> str:
        installed(self.name, f"litellm[proxy]=={_VERSION}")
        return _VERSION

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        models = [
            {
                "model_name": model,
                "litellm_params": {"model": f"openai/{model}", "api_base": upstream, "api_key": "bench"},
            }
            for model in wire.MODELS
        ]
        config = {"model_list": models, "general_settings": {"master_key": _MASTER_KEY}}
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        argv = [
            str(installed(self.name, f"litellm[proxy]=={_VERSION}") / "litellm"),
            *("--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"),
        ]
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}  # no look-ups outside
        return Launch(argv, port, folder, "/health/liveliness", f"Bearer {_MASTER_KEY}", env)
