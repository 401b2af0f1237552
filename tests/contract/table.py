"""Writes the table of `docs/compatibility.md`: `python -m tests.contract.table`."""

import sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from app.core.errors import UpstreamError
from tests.contract.crossing import chat_recordings, cross, dialect_of, failure_in, folded, read_back, read_recorded
from tests.contract.losses import as_said_in
from tests.recordings import Recording

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
BEGIN = "<!-- What follows is written by the tests: python -m tests.contract.table -->\n"
COLUMNS = {"openai": "Chat", "responses": "Responses", "anthropic": "Anthropic", "gemini": "Gemini", "ollama": "Ollama"}


def table() -> str:
    """All recorded answers by provider and case, and what clients of each API read of them."""
    lines = [
        f"| provider | case | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- |{' --- |' * len(COLUMNS)}",
    ]
    for provider, recordings in groupby(chat_recordings(), key=lambda recording: recording.provider):
        for case, group in groupby(sorted(recordings, key=_case), key=_case):
            same = list(group)
            cells = [" ".join(dict.fromkeys(_cell(recording, client) for recording in same)) for client in COLUMNS]
            lines.append(f"| {provider} | {case} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page: what is written by hand, and the table as it is now."""
    by_hand, _, _ = PAGE.read_text().partition(BEGIN)
    return by_hand + BEGIN + "\n" + table()


def _case(recording: Recording) -> str:
    """The case without the number of a further conversation."""
    return recording.path.stem.rstrip("0123456789").rstrip("-")


def _cell(recording: Recording, client: str) -> str:
    if dialect_of(recording) == client:
        return "="
    said = read_recorded(recording)
    if (failure := failure_in(said)) is not None:
        return "✓" if failure.message in _told(recording, client) else "✗"
    want, got = folded(said), folded(read_back(client, cross(recording, client), streamed=recording.streamed))
    if not want.prompt_tokens:
        got = replace(got, prompt_tokens=0, completion_tokens=0)  # the gateway estimates
    if got == want:
        return "✓"
    return "✓ ¹" if got == as_said_in(client, want) else "✗"


def _told(recording: Recording, client: str) -> str:
    try:
        failure = failure_in(read_back(client, cross(recording, client), streamed=True))
    except UpstreamError as error:
        return error.message
    return failure.message if failure else ""


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} is written\n")
