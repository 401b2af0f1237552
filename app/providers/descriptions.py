"""Descriptions of models, looked up where somebody wrote one: in the providers' own lists, and in OpenRouter's, which is public."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import httpx

from app.core.call import Target
from app.core.errors import RelayError, UpstreamInvalid
from app.core.frozen import frozen
from app.providers.base import HttpProvider
from app.providers.download import Borrowed
from app.providers.formats import FORMATS, read_model_list
from app.providers.told import Told

OPENROUTER_URL = "https://openrouter.ai/api/v1/models"

# Shorter ones say no more than the name.
_LEAST_CHARACTERS = 20

_SYNONYMS = {"google": "gemini", "x-ai": "xai", "meta-llama": "meta", "mistralai": "mistral"}
_SUFFIX = re.compile(r"-(latest|preview|beta|exp|\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{4}|\d{3})$")

Verdict = Literal["success", "no_descriptions", "error"]
"""What asking one provider came to."""


@frozen
class Found:
    """A description for a model.

    Attributes:
        origin: `provider` or `openrouter`.
    """

    target: Target
    text: str
    origin: str


async def ask(provider: HttpProvider) -> tuple[Sequence[Told], Verdict]:
    """A provider's list, and whether it describes its models."""
    try:
        told = await provider.list_models()
    except RelayError:
        return (), "error"
    return told, "success" if any(is_telling(each.model, each.description) for each in told) else "no_descriptions"


async def read_openrouter(transport: httpx.AsyncBaseTransport, url: str = OPENROUTER_URL) -> list[Told]:
    """OpenRouter's public list.

    Raises:
        UpstreamInvalid: none came, or what came is no list.
    """
    try:
        async with httpx.AsyncClient(transport=Borrowed(transport), timeout=30) as client:
            response = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise UpstreamInvalid(f"{url} cannot be fetched: {type(exc).__name__}.") from exc
    if response.status_code != 200:
        raise UpstreamInvalid(f"{url} answered with status {response.status_code}.")
    return parse_openrouter(response.content)


def parse_openrouter(body: bytes) -> list[Told]:
    """The same list from a file.

    Raises:
        UpstreamInvalid: it is none.
    """
    return read_model_list([FORMATS["openai"]], body, "OpenRouter")


def find_descriptions(
    own: Mapping[str, Sequence[Told]], openrouter: Sequence[Told], described: Callable[[Target], str | None]
) -> Iterator[Found]:
    """The longer one of what its provider and what OpenRouter say of each model, where that is more than its name.

    Args:
        own: the providers' lists by key.
        described: what is said of a model already; it is left alone then. None for nothing.
    """
    others = _Index(openrouter)
    for key, list_of_one in own.items():
        for told in list_of_one:
            target = Target(key, told.model)
            texts = {"provider": told.description, "openrouter": others.find(target)}
            telling = {origin: text for origin, text in texts.items() if text and is_telling(told.model, text)}
            if telling and described(target) is None:
                origin = max(telling, key=lambda each: len(telling[each]))
                yield Found(target, telling[origin], origin)


def is_telling(model: str, text: str | None) -> bool:
    """Whether a text says more of a model than its name."""
    return text is not None and len(text) >= _LEAST_CHARACTERS and text.lower() != model.lower()


class _Index:
    """OpenRouter's descriptions by all the names that a model may have elsewhere; the more exact ones count more."""

    def __init__(self, told: Iterable[Told]) -> None:
        self._by_name: list[dict[str, str]] = [{}, {}, {}, {}]
        for each in told:
            if each.description is not None:
                vendor, _, model = each.model.lower().rpartition("/")
                for names, name in zip(self._by_name, _names(vendor, model.partition(":")[0]), strict=True):
                    names.setdefault(name, each.description)

    def find(self, target: Target) -> str | None:
        vendor, _, model = target.model.lower().rpartition("/")
        asked = _names(vendor or target.provider, model)
        return next((names[name] for names, name in zip(self._by_name, asked, strict=True) if name in names), None)


def _names(vendor: str, model: str) -> tuple[str, str, str, str]:
    """From exact to loose: with who made it, the model alone, with all versions written alike, without a date or the like."""
    alike = re.sub(r"(?<=\d)\.(?=\d)", "-", model)
    bare = alike
    while (shorter := _SUFFIX.sub("", bare)) != bare:
        bare = shorter
    return f"{_SYNONYMS.get(vendor, vendor)}/{model}", model, alike, bare
