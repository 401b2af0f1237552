"""The wheel, built and installed as the Dockerfile does: what is in it, and that it serves from an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.deploy.process import serving
from tests.e2e.gateway import free_port

ROOT = Path(__file__).parents[2]
BUILD_S = 120
TOKEN = re.compile(r"lr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that the Dockerfile copies, and from no others."""
    folder = tmp_path_factory.mktemp("build")
    sources, dist = folder / "src", folder / "dist"
    sources.mkdir()
    for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", (ROOT / "deploy" / "Dockerfile").read_text()):
        *names, target = line.split()
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, sources / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, sources / target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(command, cwd=sources, check=True, capture_output=True, timeout=BUILD_S)
    [built] = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment with the wheel; what it depends on comes from the tests' own environment."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install = [str(uv), "pip", "install", "--offline", "--no-deps", "--no-config", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=BUILD_S)
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def run(installed: Path, *command: str, cwd: Path) -> str:
    """What a command of the new environment says."""
    process = subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=cwd,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=True,
    )
    return process.stdout.strip()


def test_wheel_holds_what_the_gateway_needs_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    folders = {name.split("/", 1)[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"app", "cli"}
    needed = {path.relative_to(ROOT).as_posix() for part in ("app", "cli") for path in (ROOT / part).rglob("*.py")}
    assert needed - names == set()
    assert {"app/config.json", "app/model_overrides.yaml", "app/store/migrations/script.py.mako"} <= names
    assert any(name.startswith("app/store/migrations/versions/r0001") for name in names)
    assert not [name for name in names if "/tests/" in f"/{name}" or name.endswith((".env", ".pyc", ".db"))]


def test_installed_gateway_is_its_own_and_not_the_checkouts(installed: Path, tmp_path: Path) -> None:
    where = run(installed, "python", "-c", "import app, cli; print(app.__file__, cli.__file__)", cwd=tmp_path)

    assert [path.startswith(str(installed.parent)) for path in where.split()] == [True, True]


def test_installed_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    from app import __version__

    assert run(installed, "llm-relay", "--version", cwd=tmp_path) == __version__


def test_installed_gateway_serves_the_demo_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "data"
    folder.mkdir()
    url = f"http://127.0.0.1:{port}"
    settings = {"SERVER_HOST": "0.0.0.0", "SERVER_PORT": str(port), "RELAY_DATA_DIR": str(folder)}
    command = [str(installed / "llm-relay")]

    with serving(folder, f"{url}/healthz", command=command, environ=settings):
        token = TOKEN.search((tmp_path / "output.txt").read_text())
        assert token is not None
        answer = httpx.post(
            f"{url}/v1/chat/completions",
            json={"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
            headers={"authorization": f"Bearer {token[0]}"},
            trust_env=False,
        )

    assert answer.status_code == 200
    assert "built-in demo" in answer.json()["choices"][0]["message"]["content"]
    assert (folder / "relay.db").is_file()


def test_health_check_of_the_dockerfile_passes_while_it_serves(installed: Path, tmp_path: Path) -> None:
    found = re.search(r'CMD \["python", "-c", "(.+)"\]', (ROOT / "deploy" / "Dockerfile").read_text())
    assert found is not None
    check, port, folder = found[1].replace('\\"', '"'), free_port(), tmp_path / "data"
    folder.mkdir()
    settings = {"SERVER_HOST": "0.0.0.0", "SERVER_PORT": str(port), "RELAY_DATA_DIR": str(folder)}
    command = [str(installed / "python"), "-c", check]

    with serving(folder, f"http://127.0.0.1:{port}/healthz", command=[str(installed / "llm-relay")], environ=settings):
        while_it_serves = subprocess.run(command, env=settings, timeout=BUILD_S, capture_output=True, check=False)
    afterwards = subprocess.run(command, env=settings, timeout=BUILD_S, capture_output=True, check=False)

    assert while_it_serves.returncode == 0
    assert afterwards.returncode != 0
