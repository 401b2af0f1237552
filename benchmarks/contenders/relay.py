"""LLM Relay itself, as a user starts it: authentication, quota, metering and the request log on."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

from benchmarks import messages, wire
from benchmarks.contenders.packages import ROOT, InstallFailed
from benchmarks.servers import Launch, StartFailed, environment

_COMMAND = str(ROOT / ".venv" / "bin" / "llm-relay")


class Relay:
    """The gateway of this checkout."""

    name = "relay"

    def install(self) -> str:
        described = ["git", "describe", "--always", "--dirty", "--exclude=*"]
        return subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "?"

    def set_up(self, folder: Path, port: int, upstream: str) -> Launch:
        provider = {
            "name": "OpenAI",
            "base_url": upstream,
            "api_key_env": "OPENAI_API_KEY",
            "supported_models": list(wire.MODELS),
        }
        translated = {
            "base_url": upstream,
            "api_format": "anthropic",
            "supported_models": [messages.BURST_TO.model, messages.PACED_TO.model],
        }
        (folder / "config.json").write_text(json.dumps({"openai": provider, "claude": translated}))
        env = {
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(port),
            "RELAY_DATA_DIR": str(folder),
            "RELAY_CONFIG": str(folder / "config.json"),
            "OPENAI_API_KEY": "bench",
            "LOG_LEVEL": "INFO",
            "LOG_FILE": str(folder / "relay.log"),
            **self._source(folder),
        }
        return Launch([_COMMAND, "serve"], port, folder, "/healthz", f"Bearer {_mint(folder, env)}", env)

    def _source(self, folder: Path) -> dict[str, str]:
        """The variables that say where the gateway's own modules are."""
        return {}


class EarlierRelay(Relay):
    """The gateway as a commit has it, with the packages of this checkout."""

    name = "before"

    def __init__(self, commit: str) -> None:
        self._commit = commit

    def install(self) -> str:
        return _git("rev-parse", "--short", f"{self._commit}^{{commit}}").decode().strip()

    def _source(self, folder: Path) -> dict[str, str]:
        source = folder / "source"
        with tarfile.open(fileobj=io.BytesIO(_git("archive", self._commit, "app", "cli"))) as archive:
            archive.extractall(source, filter="data")
        return {"PYTHONPATH": str(source)}


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as exc:
        said = getattr(exc, "stderr", b"").decode(errors="replace").strip()
        raise InstallFailed(f"git {' '.join(arguments)}: {said or exc}") from exc


def _mint(folder: Path, env: dict[str, str]) -> str:
    """A token without a limit that the run could reach. Makes the database too."""
    command = [_COMMAND, "tokens", "add", "--username", "bench", "--rate-limit", "1000000000", "--quiet"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment(env), capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise StartFailed(f"llm-relay tokens add: {getattr(exc, 'stderr', None) or exc}") from exc
    return done.stdout.strip()
