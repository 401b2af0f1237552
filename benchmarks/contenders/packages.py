"""Peers from the package index: each pinned, in a virtual environment of its own under `.peers`."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PEERS = ROOT / "benchmarks" / ".peers"
_LIMIT_S = 900


class InstallFailed(Exception):
    """A peer cannot be installed here."""


def installed(name: str, requirement: str) -> Path:
    """The `bin` folder of an environment with `requirement` in it, made on first use.

    Raises:
        InstallFailed: the installer said no.
    """
    environment = _PEERS / name
    stamp = environment / ".installed"
    if not stamp.exists() or stamp.read_text() != requirement:
        print(f"installing {requirement} …", file=sys.stderr)
        for command in _commands(environment, requirement):
            _run(command)
        stamp.write_text(requirement)
    return environment / "bin"


def _commands(environment: Path, requirement: str) -> list[list[str]]:
    python = str(environment / "bin" / "python")
    uv = shutil.which("uv", path=str(ROOT / ".venv" / "bin")) or shutil.which("uv")
    if uv:
        return [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)],
            [uv, "pip", "install", "--quiet", "--python", python, requirement],
        ]
    return [
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
    ]


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, "stderr", None) or exc
        raise InstallFailed(f"{' '.join(command[-2:])}: {said}") from exc
