"""Pictures, sound and files: `inlineData` with their bytes in base64, and `fileData` with their address."""

from urllib.parse import urlsplit

from app.core.chat import Audio, Document, Image
from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.dialects.fields import as_text
from app.dialects.gemini.fields import read_fields
from app.dialects.gemini.signatures import standard_base64

# What the bytes begin with, in base64, for dialects that do not say the type.
_MAGIC = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}


def read_inline(value: Json, path: str) -> Image | Audio | Document:
    """An `inlineData`, by its type. Raises `InvalidRequest`."""
    fields = read_fields(value, path)
    media_type = as_text(fields.get("mimeType"), f"{path}.mimeType")
    data = standard_base64(as_text(fields.get("data"), f"{path}.data"))
    kind = media_type.partition("/")[0]
    if kind == "image":
        return Image(data, media_type)
    if kind == "audio":
        return Audio(data, media_type)
    return Document(data, media_type, name=_name(fields, path))


def read_file(value: Json, path: str) -> Image | Document:
    """A `fileData`. Raises `InvalidRequest`."""
    fields = read_fields(value, path)
    url = as_text(fields.get("fileUri"), f"{path}.fileUri")
    media_type = as_text(fields.get("mimeType", ""), f"{path}.mimeType") or None
    if media_type is not None and media_type.startswith("image/"):
        return Image(media_type=media_type, url=url)
    return Document(media_type=media_type, url=url, name=_name(fields, path))


def write_media(part: Image | Audio | Document, unsupported: list[str]) -> dict[str, Json] | None:
    """A part that shows the same; None where there is nothing that Gemini could be shown.

    A file's name stays behind: the Gemini API has a place for it in none but its answers.
    """
    if isinstance(part, Image) and part.detail not in (None, "auto"):
        unsupported.append("detail")
    if isinstance(part, Document) and part.text is not None:
        return {"text": part.text} if part.text else None
    if part.data is not None:
        media_type = part.media_type or _type_of_data(part.data, part)
        return {"inlineData": {"mimeType": media_type, "data": part.data}}
    if not isinstance(part, Audio) and part.url is not None:
        return {"fileData": {"mimeType": part.media_type or _type_of_url(part.url, part), "fileUri": part.url}}
    if isinstance(part, Document) and part.file_id is not None:
        unsupported.append("file_id")
    return None


def _name(fields: dict[str, Json], path: str) -> str | None:
    return as_text(fields.get("displayName", ""), f"{path}.displayName") or None


def _type_of_data(data: str, part: Image | Audio | Document) -> str:
    found = next((media_type for magic, media_type in _MAGIC.items() if data.startswith(magic)), None)
    return found or _usual(part)


def _type_of_url(url: str, part: Image | Document) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        raise InvalidRequest(f"The address {url!r} of a file is not valid.") from None
    return _SUFFIXES.get(path.rpartition(".")[2].lower()) or _usual(part)


def _usual(part: Image | Audio | Document) -> str:
    return "image/jpeg" if isinstance(part, Image) else "application/pdf"
