"""How providers of each dialect are reached: where below the base URL, how signed, and where they list their models."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from app.core.errors import UpstreamInvalid
from app.core.frozen import frozen
from app.core.jsonio import InvalidJson, Json, loads
from app.providers.told import Told, told_by_gemini, told_by_ollama, told_by_openai

OLLAMA_SHOW = "ollama-show"
"""The call by which Ollama's API describes a model: no call of clients, as the gateway answers these itself."""

Path = Callable[[str, bool], str]
"""From a model's name and whether the reply is to be a stream, to the path below the base URL."""


@frozen
class Format:
    """One `api_format`.

    Attributes:
        folder: what stands between the host and the paths, with or without which the base URL may be given; empty where
            the base URL has to be whole.
        other_folder: of another dialect on the same server, which the base URL may end with by custom.
        paths: for each dialect that passes through to it. Requests of other dialects become the first of their kind, chat or
            embeddings; the first of all is of chat.
        models_path: of the list of models.
        key_header: the header that carries the key, and what it begins with.
        headers: what every request needs beside.
        entries: of a decoded list of models; each is read by `read_entry`, which gives None where it is none.
    """

    folder: str
    other_folder: str
    paths: Mapping[str, Path]
    models_path: str
    key_header: tuple[str, str]
    entries: Callable[[Json], Json]
    read_entry: Callable[[Mapping[str, Json]], Told | None]
    headers: Mapping[str, str]

    def root(self, base_url: str) -> str:
        """The base URL with its folder, whichever way it was given."""
        if self.other_folder:
            base_url = base_url.removesuffix(self.other_folder)
        if not self.folder or _ends_with_version(base_url, self.folder):
            return base_url
        return base_url + self.folder


def fixed(path: str) -> Path:
    """The same path for every model."""
    return lambda _model, _streamed: path


def _generate_content(model: str, streamed: bool) -> str:
    method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return f"/models/{quote(model.removeprefix('models/'), safe='/:@')}:{method}"


def _for_model(method: str) -> Path:
    return lambda model, _streamed: f"/models/{quote(model.removeprefix('models/'), safe='/:@')}:{method}"


def _of_data(document: Json) -> Json:
    # Together gives the bare list.
    return document.get("data") if isinstance(document, dict) else document


def _of_models(document: Json) -> Json:
    return document.get("models") if isinstance(document, dict) else None


_BEARER = ("Authorization", "Bearer ")

FORMATS: dict[str, Format] = {
    "openai": Format(
        folder="",
        other_folder="",
        paths={
            "openai": fixed("/chat/completions"),
            "openai-completions": fixed("/completions"),
            "openai-embeddings": fixed("/embeddings"),
            "openai-images": fixed("/images/generations"),
            "openai-speech": fixed("/audio/speech"),
            "openai-transcriptions": fixed("/audio/transcriptions"),
            "openai-translations": fixed("/audio/translations"),
            "openai-moderations": fixed("/moderations"),
        },
        models_path="/models",
        key_header=_BEARER,
        entries=_of_data,
        read_entry=told_by_openai,
        headers={},
    ),
    "responses": Format(
        folder="",
        other_folder="",
        paths={"responses": fixed("/responses")},
        models_path="/models",
        key_header=_BEARER,
        entries=_of_data,
        read_entry=told_by_openai,
        headers={},
    ),
    "anthropic": Format(
        folder="/v1",
        other_folder="",
        paths={"anthropic": fixed("/messages"), "anthropic-count": fixed("/messages/count_tokens")},
        models_path="/models?limit=1000",
        key_header=("x-api-key", ""),
        entries=_of_data,
        read_entry=told_by_openai,
        headers={"anthropic-version": "2023-06-01"},
    ),
    "gemini": Format(
        folder="/v1beta",
        other_folder="/v1beta/openai",
        paths={
            "gemini": _generate_content,
            "gemini-count": _for_model("countTokens"),
            "gemini-embed-batch": _for_model("batchEmbedContents"),
            "gemini-embed": _for_model("embedContent"),
        },
        models_path="/models?pageSize=1000",
        key_header=("x-goog-api-key", ""),
        entries=_of_models,
        read_entry=told_by_gemini,
        headers={},
    ),
    "ollama": Format(
        folder="/api",
        other_folder="/v1",
        paths={
            "ollama": fixed("/chat"),
            "ollama-generate": fixed("/generate"),
            "ollama-embed": fixed("/embed"),
            "ollama-embeddings": fixed("/embeddings"),
            OLLAMA_SHOW: fixed("/show"),
        },
        models_path="/tags",
        key_header=_BEARER,
        entries=_of_models,
        read_entry=told_by_ollama,
        headers={},
    ),
}
"""By the name in `api_format`."""


def read_model_list(formats: Sequence[Format], body: bytes, provider: str) -> list[Told]:
    """What a provider's list tells of its models, in its spelling and order.

    Raises:
        UpstreamInvalid: it is none.
    """
    try:
        document = loads(body)
    except InvalidJson:
        raise UpstreamInvalid(f"The model list of {provider} is not valid JSON.") from None
    entries = formats[0].entries(document)
    if not isinstance(entries, list):
        raise UpstreamInvalid(f"The model list of {provider} holds no models.")
    told = (formats[0].read_entry(entry) for entry in entries if isinstance(entry, dict))
    return [each for each in told if each is not None]


def _ends_with_version(base_url: str, folder: str) -> bool:
    """Whether the folder is there, or for a version another version: `/v1`, `/v1beta`, `/v1beta1`."""
    last = base_url.rpartition("/")[2]
    return last == folder.strip("/") or (folder.startswith("/v") and re.fullmatch(r"v\d+\w*", last) is not None)
