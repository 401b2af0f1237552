"""The systemd unit, looked at by systemd's own tools."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "llm-relay.service"
MOST_EXPOSED = 2.0

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is on this machine."""
    text, replaced = re.subn(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text())
    assert replaced == 1
    path = tmp_path / UNIT.name
    path.write_text(text)
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_unit_is_understood_by_systemd(unit: Path) -> None:
    verified = analyze("verify", str(unit))

    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    assert (verified.returncode, complaints) == (0, [])


def test_unit_is_little_exposed(unit: Path) -> None:
    rated = analyze("security", "--offline=true", str(unit))

    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert level is not None, rated.stdout + rated.stderr
    assert float(level[1]) <= MOST_EXPOSED


def test_unit_gives_streams_and_records_the_time_that_they_get() -> None:
    from cli.serve import DRAIN_S

    stop_s = re.search(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())

    assert stop_s is not None
    assert int(stop_s[1]) > DRAIN_S
