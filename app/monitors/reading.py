"""Events as Parallel writes them, in `/v1` and in the frozen `/v1alpha`, read as updates. Nothing in them makes it fail."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from app.core.jsonio import InvalidJson, Json, dumps
from app.core.updates import Update

_NO_UPDATES = frozenset({"completion", "error"})
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f]{1,4000}", re.IGNORECASE)
_DATE = re.compile(r"[\w:.+ -]{4,40}", re.ASCII)
_NOT_STORED = re.compile("[\x00\ud800-\udfff]")  # by PostgreSQL, and by UTF-8


def read_events(events: Iterable[Any]) -> list[Update]:
    """What they tell, the oldest first, each once; runs without a change or that failed tell nothing.

    Args:
        events: as `ParallelMonitors.events` gives them, the newest first.
    """
    found: dict[str | Update, Update] = {}
    for event in events:
        update = _read(event)
        if update is not None:
            found.setdefault(update.id or update, update)  # before `/v1` they had no id
    return list(reversed(found.values()))


def read_error(events: Iterable[Any]) -> str | None:
    """What Parallel says of the newest run that failed, where one did."""
    for event in events:
        if isinstance(event, dict) and _kind(event) == "error":
            told = event.get("error_message") or event.get("error")
            return _clean(told) if isinstance(told, str) and told.strip() else "The run failed."
    return None


def _read(event: Any) -> Update | None:
    if not isinstance(event, dict) or _kind(event) in _NO_UPDATES:
        return None
    output = event.get("changed_output") or event.get("output")
    if isinstance(output, dict):
        text, told = _text(output.get("content")), list(_citations(output))
    else:  # in `/v1alpha` a text, which is deprecated there, and may be empty
        result = event.get("result")
        text = _text(result.get("content") if isinstance(result, dict) else None) or _text(output)
        told = _items(event.get("source_urls"))
    sources = tuple(dict.fromkeys(url for each in told if (url := _address(each))))
    if not text and not sources:
        return None
    event_id, date = event.get("event_id"), event.get("event_date")
    return Update(
        _clean(event_id) if isinstance(event_id, str) else "",
        date if isinstance(date, str) and _DATE.fullmatch(date) else None,
        text,
        sources,
    )


def _kind(event: dict[str, Json]) -> str:
    kind = event.get("event_type") or event.get("type")
    if isinstance(kind, str):
        return kind
    return "error" if "error_message" in event else ""


def _text(content: Json) -> str:
    """It as users read it; JSON in lines."""
    if isinstance(content, str):
        return _clean(content)
    if not isinstance(content, dict | list) or not content:
        return ""
    try:
        return _clean(json.dumps(content, ensure_ascii=False, indent=2))
    except RecursionError:
        pass
    try:
        return _clean(dumps(content).decode())
    except InvalidJson:
        return ""


def _citations(output: dict[str, Json]) -> Iterator[Json]:
    for basis in _items(output.get("basis")):
        if isinstance(basis, dict):
            for citation in _items(basis.get("citations")):
                yield citation.get("url") if isinstance(citation, dict) else None


def _address(url: Json) -> str | None:
    """A page's: what is no http address is none."""
    return _clean(url) if isinstance(url, str) and _ADDRESS.fullmatch(url := url.strip()) else None


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _clean(text: str) -> str:
    return _NOT_STORED.sub("�", text).strip()
