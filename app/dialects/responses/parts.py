"""The parts of a message's content, and of a tool's output: `input_text`, `input_image`, `input_file` and so on."""

from collections.abc import Mapping

from app.core.chat import Audio, Document, Foreign, Image, Part, Refusal, Text
from app.core.jsonio import Json
from app.dialects.fields import as_object, as_text, wrong
from app.dialects.responses.fields import find_object, find_text
from app.dialects.responses.sealed import NAME

# A breakpoint in the words of the canonical mark, which are Anthropic's. Lifetimes differ too much to be carried over.
_CACHE_MARK = {"type": "ephemeral"}
_DEFAULT_IMAGE_TYPE = "image/png"
_DEFAULT_FILE_TYPE = "application/pdf"
_SUFFIXES = {"text/plain": "txt", "text/markdown": "md"}


def read_content(content: Json, param: str) -> list[Part]:
    """A message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise wrong(param, "a string or a list of parts")
    return [_read_part(part, f"{param}[{index}]") for index, part in enumerate(content)]


def read_output(output: Json, param: str) -> "tuple[Text | Image | Document | Audio | Foreign, ...]":
    """A tool's output: the same without what only a model writes."""
    parts = read_content(output, param)
    for index, part in enumerate(parts):
        if not isinstance(part, Text | Image | Document | Audio | Foreign):
            raise wrong(f"{param}[{index}].type", "one of 'input_text', 'input_image' and 'input_file'")
    return tuple(part for part in parts if isinstance(part, Text | Image | Document | Audio | Foreign))


def write_input(part: Part, *, breakpoints: bool) -> dict[str, Json] | None:
    """A part as the user's or a tool's; None where there is no way to write it. `breakpoints`: cache marks are written."""
    match part:
        case Text():
            return {"type": "input_text", "text": part.text, **_breakpoint(part.cache, wanted=breakpoints)}
        case Image():
            return {**_write_image(part), **_breakpoint(part.cache, wanted=breakpoints)}
        case Document():
            return {**_write_document(part), **_breakpoint(part.cache, wanted=breakpoints)}
        case Foreign() if is_content(part):
            return dict(part.value)
    return None


def is_content(part: Foreign) -> bool:
    """Whether it is a part of this dialect, rather than an item."""
    kind = part.value.get("type") if part.dialect == NAME and isinstance(part.value, dict) else None
    return isinstance(kind, str) and kind.startswith("input_")


def split_data_url(url: str) -> tuple[str | None, str] | None:
    """The media type and the base64 data of a `data:` URL (RFC 2397); None where it is something else."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url.removeprefix("data:").partition(",")
    media_type, *parameters = head.split(";")
    return (media_type or None, data) if comma and "base64" in parameters else None


def _read_part(value: Json, param: str) -> Part:
    part = as_object(value, param)
    kind = as_text(part.get("type"), f"{param}.type")
    match kind:
        case "input_text" | "output_text" | "text":
            return Text(as_text(part.get("text"), f"{param}.text"), _read_breakpoint(part, param))
        case "refusal":
            return Refusal(as_text(part.get("refusal"), f"{param}.refusal"))
        case "input_image" if part.get("file_id") is None:
            return _read_image(part, param)
        case "input_file":
            return _read_file(part, param)
        case "input_audio":
            sound = as_object(part.get("input_audio"), f"{param}.input_audio")
            data = as_text(sound.get("data"), f"{param}.input_audio.data")
            return Audio(data, "audio/" + as_text(sound.get("format"), f"{param}.input_audio.format"))
    if kind.startswith("input_"):
        return Foreign(NAME, part)
    raise wrong(f"{param}.type", "a known kind of part, such as 'input_text'")


def _read_image(part: Mapping[str, Json], param: str) -> Image:
    url = as_text(part.get("image_url"), f"{param}.image_url")
    detail = find_text(part, "detail", f"{param}.")
    cache = _read_breakpoint(part, param)
    found = split_data_url(url)
    if found is None:
        return Image(url=url, detail=detail, cache=cache)
    media_type, data = found
    return Image(data=data, media_type=media_type, detail=detail, cache=cache)


def _read_file(part: Mapping[str, Json], param: str) -> Document:
    data = find_text(part, "file_data", f"{param}.")
    found = (None, data) if data is None else split_data_url(data) or (None, data)
    document = Document(
        data=found[1],
        media_type=found[0],
        url=find_text(part, "file_url", f"{param}."),
        file_id=find_text(part, "file_id", f"{param}."),
        name=find_text(part, "filename", f"{param}."),
        cache=_read_breakpoint(part, param),
    )
    if document.data is None and document.url is None and document.file_id is None:
        raise wrong(param, "a file with 'file_data', 'file_url' or 'file_id'")
    return document


def _read_breakpoint(part: Mapping[str, Json], param: str) -> Json:
    return None if find_object(part, "prompt_cache_breakpoint", f"{param}.") is None else _CACHE_MARK


def _breakpoint(cache: Json, *, wanted: bool) -> dict[str, Json]:
    return {"prompt_cache_breakpoint": {"mode": "explicit"}} if wanted and cache is not None else {}


def _write_image(image: Image) -> dict[str, Json]:
    url = image.url if image.data is None else f"data:{image.media_type or _DEFAULT_IMAGE_TYPE};base64,{image.data}"
    detail = {} if image.detail is None else {"detail": image.detail}
    return {"type": "input_image", "image_url": url or "", **detail}


def _write_document(document: Document) -> dict[str, Json]:
    name = {} if document.name is None else {"filename": document.name}
    if document.file_id is not None:
        return {"type": "input_file", "file_id": document.file_id}
    if document.url is not None:
        return {"type": "input_file", "file_url": document.url, **name}
    if document.data is None:
        # Not every model that reads text takes text files.
        title = f"{document.name}\n\n" if document.name else ""
        return {"type": "input_text", "text": f"{title}{document.text or ''}"}
    media_type = document.media_type or _DEFAULT_FILE_TYPE
    # Files without a name are refused: OpenAI tells their kind by it.
    name = name or {"filename": f"document.{_SUFFIXES.get(media_type) or media_type.rpartition('/')[2]}"}
    return {"type": "input_file", **name, "file_data": f"data:{media_type};base64,{document.data}"}
