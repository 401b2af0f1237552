"""Sets of names in files: JSON or YAML, by the file's ending, or standard input and output."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from cli.output import fail

STANDARD = "-"


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # of which no types are told
    """YAML as JSON would have it: what looks like a time or a day stays a text, and no key stands twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        for index, (key, _) in enumerate(node.value):
            if key.value in keys[:index]:
                words = f"the key {key.value!r} stands twice in one object"
                raise yaml.constructor.ConstructorError(None, None, words, key.start_mark)
        return super().construct_mapping(node, deep)


_TAG = "tag:yaml.org,2002:"
_KEPT = (f"{_TAG}bool", f"{_TAG}null", f"{_TAG}merge")
_Loader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [each for each in resolvers if each[0] in _KEPT])
}
# YAML 1.1 takes 09:30 for the number 570.
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)


def read_document(path: str) -> Any:
    """What a file holds; `-` is standard input. YAML reads JSON too."""
    is_json = _is_json(path)
    try:
        text = sys.stdin.read() if path == STANDARD else Path(path).read_text(encoding="utf-8-sig")
        return json.loads(text) if is_json else yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except (OSError, ValueError, RecursionError) as exc:
        fail(f"{path}: cannot be read: {exc}")
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        fail(f"{path}{where}: {getattr(exc, 'problem', None) or exc}")


def write_document(path: str, document: Any) -> None:
    """Put it into a file; `-` is standard output, as YAML."""
    if _is_json(path):
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    if path == STANDARD:
        typer.echo(text, nl=False)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        fail(f"{path}: cannot be written: {exc.strerror}.")


def parse_value(text: str) -> Any:
    """A value that stands in an option: as YAML has it."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except yaml.YAMLError:
        return text


def _is_json(path: str) -> bool:
    if path == STANDARD:
        return False
    ending = Path(path).suffix.lower()
    if ending not in (".json", ".yaml", ".yml"):
        fail(f"{path}: its ending must say what it is: .json, .yaml or .yml; - is standard input or output.")
    return ending == ".json"
