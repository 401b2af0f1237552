"""What Ollama's clients are told of the models that the gateway has, in the shapes of a server that holds them itself."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from app.core.frozen import frozen
from app.core.jsonio import Json, dumps
from app.dialects.ollama.times import write_time

# Clients compare it: Copilot asks for 0.6.4 or later.
_VERSION = "0.12.6"
# Nothing of the model is on a disk here; clients want a size above 0.
_SIZE_BYTES = 1
# What Ollama says of a model that it will never unload lies as far ahead.
_NEVER = "2318-01-01T00:00:00Z"
_TEMPLATE = "{{ .Prompt }}"


@frozen
class Listed:
    """A model as it is listed.

    Attributes:
        id: the name by which clients call it, with or without a tag.
        capabilities: in Ollama's words: `completion`, `tools`, `vision`, `thinking`, `embedding`.
        context_length: in tokens, where it is known.
        modified_at: seconds since the epoch.
        description: what it is good for, where that is known.
    """

    id: str
    provider: str
    family: str
    context_length: int | None
    capabilities: tuple[str, ...]
    modified_at: int
    description: str | None = None


def write_tags(models: Iterable[Listed]) -> dict[str, Json]:
    """The answer to GET /api/tags."""
    return {
        "models": [
            {
                **_summary(model),
                "modified_at": write_time(model.modified_at),
                "capabilities": list(model.capabilities),
                "owned_by": model.provider,  # which Ollama does not tell, and its clients pass over
            }
            for model in models
        ]
    }


def write_ps(models: Iterable[Listed]) -> dict[str, Json]:
    """The answer to GET /api/ps: all that can be called count as loaded, and as using no memory of ours."""
    return {
        "models": [
            {
                **_summary(model),
                "expires_at": _NEVER,
                "size_vram": 0,
                **({} if model.context_length is None else {"context_length": model.context_length}),
            }
            for model in models
        ]
    }


def write_show(model: Listed) -> dict[str, Json]:
    """The answer to POST /api/show."""
    info: dict[str, Json] = {"general.architecture": model.family, "general.basename": model.id}
    if model.context_length is not None:
        info[f"{model.family}.context_length"] = model.context_length
    if model.description is not None:
        info["general.description"] = model.description
    return {
        "modelfile": f"# Served by {model.provider}.\nFROM {model.id}\n",
        "parameters": "" if model.context_length is None else f"num_ctx {model.context_length}",
        "template": _TEMPLATE,
        "license": "",
        "details": _details(model),
        "model_info": info,
        "capabilities": list(model.capabilities),
        "modified_at": write_time(model.modified_at),
    }


def write_described(
    described: Mapping[str, Json],
    context_length: int | None,
    capabilities: Sequence[str] | None,
    description: str | None = None,
) -> dict[str, Json]:
    """The same where a server of Ollama's has described the model itself; what the gateway knows besides goes over it."""
    written = dict(described)
    if capabilities is not None:
        written["capabilities"] = list(capabilities)
    info = described.get("model_info")
    if isinstance(info, dict):
        architecture = info.get("general.architecture", "general")
        ours = {f"{architecture}.context_length": context_length, "general.description": description}
        written["model_info"] = info | {key: value for key, value in ours.items() if value is not None}
    return written


def write_version() -> dict[str, Json]:
    """The answer to GET /api/version: the server's version that we can stand in for."""
    return {"version": _VERSION}


def write_pull(name: str) -> dict[str, Json]:
    """The whole answer to POST /api/pull: `name` needs no download. Clients go by `status` alone."""
    return {"status": "success", "detail": _no_download(name)}


def write_pull_lines(name: str) -> bytes:
    """The stream that says the same."""
    return b"".join([dumps({"status": status}) + b"\n" for status in (_no_download(name), "success")])


def _no_download(name: str) -> str:
    return f"{name} is ready: nothing to download"


def _summary(model: Listed) -> dict[str, Json]:
    name = model.id if ":" in model.id.rpartition("/")[2] else f"{model.id}:latest"
    return {
        "name": name,
        "model": name,
        "size": _SIZE_BYTES,
        "digest": hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest(),
        "details": _details(model),
    }


def _details(model: Listed) -> dict[str, Json]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": "",
        "quantization_level": "",
    }
