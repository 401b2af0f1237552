"""Pictures: Ollama takes and gives them as bare base64, without a word on their kind."""

from app.core.chat import Image

# The first bytes of each format, as far as base64 shows them whatever follows.
_BEGINNINGS = (
    ("iVBORw0KGg", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
_USUAL = "image/jpeg"


def read_image(data: str) -> Image:
    """The picture whose base64 is `data`."""
    return Image(data=data, media_type=next((kind for start, kind in _BEGINNINGS if data.startswith(start)), _USUAL))
