"""Pictures, files and sound as this dialect holds them: as `data:` URLs (RFC 2397), and sound by a format's name."""

import re

from app.core.chat import Audio, Document, Image
from app.core.jsonio import Json

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)
_AUDIO_FORMATS = {"wave": "wav", "x-wav": "wav", "vnd.wave": "wav", "mpeg": "mp3", "mpeg3": "mp3", "x-mpeg-3": "mp3"}
_PDF = "application/pdf"


def read_image(url: str, detail: str | None = None, cache: Json = None) -> Image:
    """The picture at `url`, which may be the picture itself."""
    media_type, data = split_data_url(url)
    if data is None:
        return Image(url=url, detail=detail, cache=cache)
    return Image(data=data, media_type=media_type, detail=detail, cache=cache)


def write_image(image: Image) -> dict[str, Json] | None:
    """The part that shows `image`; None where there is neither data nor a URL."""
    url = image.url if image.data is None else _data_url(image.media_type or "image/png", image.data)
    if url is None:
        return None
    shown = {"url": url} if image.detail is None else {"url": url, "detail": image.detail}
    return {"type": "image_url", "image_url": shown}


def read_file(file_data: str | None, file_id: str | None, name: str | None, cache: Json = None) -> Document:
    """A file by its data, its URL (OpenRouter's way), or the provider's id of it."""
    if file_data is None:
        return Document(file_id=file_id, name=name, cache=cache)
    media_type, data = split_data_url(file_data)
    if data is not None:
        return Document(data=data, media_type=media_type, name=name, cache=cache)
    if file_data.startswith(("https://", "http://")):
        return Document(url=file_data, name=name, cache=cache)
    return Document(data=file_data, media_type=_PDF, name=name, cache=cache)


def write_file(document: Document) -> dict[str, Json] | None:
    """The part that holds `document`; None where it is neither data nor a provider's file: URLs are not fetched there."""
    if document.data is not None:
        media_type = document.media_type or _PDF
        # The API wants a name beside data, and tells the kind of the file by its ending.
        name = document.name or f"document.{media_type.rpartition('/')[2]}"
        return {"type": "file", "file": {"filename": name, "file_data": _data_url(media_type, document.data)}}
    return None if document.file_id is None else {"type": "file", "file": {"file_id": document.file_id}}


def read_audio(data: str, audio_format: str) -> Audio:
    """Sound of a format such as `wav`."""
    embedded = split_data_url(data)[1]
    return Audio(data if embedded is None else embedded, f"audio/{audio_format}")


def write_audio(audio: Audio) -> dict[str, Json]:
    """The part that plays `audio`. OpenAI takes `wav` and `mp3`; what else there is, others may take."""
    kind = audio.media_type.rpartition("/")[2].partition(";")[0]
    return {"type": "input_audio", "input_audio": {"data": audio.data, "format": _AUDIO_FORMATS.get(kind, kind)}}


def split_data_url(url: str) -> tuple[str | None, str | None]:
    """Media type and base64 of a `data:` URL; no base64 where it is none."""
    found = _DATA_URL.match(url)
    return (found[1] or None, url[found.end() :]) if found else (None, None)


def _data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"
