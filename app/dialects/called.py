"""What the clients of each dialect call that which has no place among their parameters: kinds of parts, and search."""

from collections.abc import Mapping

from app.core.jsonio import Json

_PARTS: Mapping[str, Mapping[str, str]] = {
    "openai": {"audio": "input_audio", "documents": "file", "images": "image_url"},
    "responses": {
        "audio": "input_audio",
        "documents": "input_file",
        "images": "input_image",
        "image_url": "input_image",
    },
    "anthropic": {"documents": "document", "images": "image", "image_url": "image"},
    "gemini": {"audio": "inlineData", "tools.web_search": "tools.googleSearch"},
}
_SEARCH = "tools.web_search"
_SIZE = "search_context_size"


def called(name: str, payload: Mapping[str, Json], dialect: str) -> str:
    """The name in a warning as the client that wrote `payload` in `dialect` knows it; `name` itself where it is no other."""
    if dialect == "openai" and payload.get("web_search_options") is not None:
        if name in (_SIZE, f"{_SEARCH}.{_SIZE}"):
            return f"web_search_options.{_SIZE}"
        if name == _SEARCH:
            return "web_search_options"
    return _PARTS.get(dialect.partition("-")[0], {}).get(name, name)
