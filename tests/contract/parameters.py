"""Writes the tables of `docs/parameters.md`: `python -m tests.contract.parameters`."""

import sys
from pathlib import Path

from app.core.chat import ReasoningWish
from app.dialects.efforts import EFFORTS, budget_of
from app.dialects.gemini.models import traits_of
from app.dialects.gemini.thinking import write_thinking as write_gemini
from app.dialects.ollama.options import write_think
from app.dialects.parameters import PARAMETERS, taken
from app.dialects.registry import DIALECTS

PAGE = Path(__file__).parents[2] / "docs" / "parameters.md"
BEGIN = "<!-- What follows is written by the tests: python -m tests.contract.parameters -->\n"
COLUMNS = {"openai": "Chat", "responses": "Responses", "anthropic": "Anthropic", "gemini": "Gemini", "ollama": "Ollama"}

OPEN_MODELS = {
    "openai": "some-search-model",  # in chat only models that are made for it search
    "responses": "some-model",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "ollama": "some-model",
}
"""For each dialect a model that takes all that can be said there."""


def page() -> str:
    """The whole page: what is written by hand, and the tables as they are now."""
    by_hand, _, _ = PAGE.read_text().partition(BEGIN)
    return f"{by_hand}{BEGIN}\n{_words()}\n{_efforts()}"


def _words() -> str:
    rows = [[f"`{name}`", *(_cell(name, dialect) for dialect in COLUMNS)] for name in PARAMETERS]
    return "## Words\n\n" + _table(["parameter", *COLUMNS.values()], rows)


def _cell(name: str, dialect: str) -> str:
    """What is written to a provider first, then what a client may say too; in brackets where a client alone may."""
    written = taken(dialect, OPEN_MODELS[dialect], None).get(name)
    read = [path for path in DIALECTS[dialect].words.get(name, ()) if path != written and "_config" not in path]
    read = [path for path in read if dialect != "gemini" or "_" not in path]
    if written is None:
        return f"({', '.join(f'`{path}`' for path in read)})" if read else "–"
    return ", ".join(f"`{path}`" for path in [written, *read])


def _efforts() -> str:
    rows = []
    for effort in sorted(EFFORTS, key=lambda each: budget_of(each)):  # type: ignore[arg-type] # the words are the efforts
        wish = ReasoningWish(effort)  # type: ignore[arg-type]
        level = (write_gemini(wish, traits_of("gemini-3-pro")) or {}).get("thinkingLevel")
        budget = (write_gemini(wish, traits_of("gemini-2.5-flash")) or {}).get("thinkingBudget")
        think = [str(write_think(wish, model)).lower() for model in ("some-model", "gpt-oss")]
        rows.append([f"`{effort}`", f"{budget_of(wish.effort or 'none'):,}", f"`{level}`", f"{budget:,}", *think])
    head = ["effort", "tokens", "Gemini 3 Pro", "Gemini 2.5 Flash", "Ollama", "Ollama, gpt-oss"]
    return "## How much to think\n\n" + _table(head, rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} is written\n")
