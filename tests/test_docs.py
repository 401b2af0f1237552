"""The documents hang together: links lead somewhere, nothing is said twice, and every setting is told."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NAME = re.compile(r"^\| `([^`|]+)`(?: \||, )", re.MULTILINE)  # a row of a table is about it
_SETTING = re.compile(r'(?:env(?:\.get)?\(|\(env, )"([A-Z][A-Z_]+)"')

# What the gateway tells its own workers; and what all of OpenTelemetry's have in common.
_NOT_TOLD = {"RELAY_METRICS_DIR", "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_PROTOCOL"}


def prose_of(document: Path) -> str:
    """All but the examples."""
    return _CODE.sub("", document.read_text(encoding="utf-8"))


def twice(texts: Iterable[str]) -> list[str]:
    return [text for text, times in Counter(texts).items() if times > 1]


@EACH_DOCUMENT
def test_links_lead_to_files_and_headings(document: Path) -> None:
    links = [link for link in _LINK.findall(prose_of(document)) if not link.startswith("http")]

    assert [link for link in links if not leads_somewhere(document, link)] == []


@EACH_DOCUMENT
def test_nothing_is_said_twice(document: Path) -> None:
    blocks = [block.strip() for block in prose_of(document).split("\n\n")]
    lines = [line for block in blocks for line in block.splitlines()]
    names = [_NAME.findall(block) for block in blocks if block.startswith("|")]

    assert twice(line for line in lines if len(line) > 60) == []
    assert [name for table in names for name in twice(table)] == []


def test_every_setting_is_in_the_documentation_and_in_the_example() -> None:
    text = "".join(path.read_text() for path in (ROOT / "app/settings").glob("*.py"))
    settings = set(_SETTING.findall(text)) - _NOT_TOLD
    told, example = (ROOT / "docs/configuration.md").read_text(), (ROOT / ".env.example").read_text()

    assert {"SERVER_HOST", "DATABASE_URL", "RETENTION_DAYS"} <= settings
    assert {name for name in settings if f"`{name}`" not in told} == set()
    assert {name for name in settings if f"# {name}=" not in example} == set()


def test_example_of_settings_has_each_of_them_once() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    assert twice(line.partition("=")[0] for line in lines if re.match(r"# [A-Z_]+=", line)) == []


def leads_somewhere(document: Path, link: str) -> bool:
    name, _, heading = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    if not heading:
        return target.exists()
    return target.is_file() and heading in map(anchor_of, _HEADING.findall(target.read_text(encoding="utf-8")))


def anchor_of(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
