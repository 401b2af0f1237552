"""The content of a message of a chat request as canonical parts."""

from app.core.chat import Audio, Document, Foreign, Image, Text
from app.core.jsonio import Json
from app.dialects.fields import as_object, wrong
from app.dialects.openai.fields import Fields, need_object, need_text, read_object, read_text
from app.dialects.openai.media import read_audio, read_file, read_image

Content = Text | Image | Document | Audio | Foreign


def read_content(message: Fields, where: str) -> tuple[Content, ...]:
    """What the message at `where` says; empty texts say nothing.

    Raises:
        InvalidRequest: its content is neither a string nor a list of parts, or a part is not as its type has it.
    """
    content = message.get("content")
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise wrong(f"{where}.content", "a string or a list of parts")
    parts = [
        read_part(as_object(part, f"{where}.content[{index}]"), f"{where}.content[{index}]")
        for index, part in enumerate(content)
    ]
    return tuple(part for part in parts if part != Text(""))


def read_part(part: Fields, where: str) -> Content:
    """One part of a content. Of unknown type, it is one of this dialect only."""
    kind = read_text(part, "type", where)
    if kind is None:
        raise wrong(f"{where}.type", "a string, such as 'text'")
    if kind == "text":
        text = part.get("text")
        if not isinstance(text, str):
            raise wrong(f"{where}.text", "a string")
        return Text(text, cache=read_cache(part, where))
    if kind == "image_url":
        return read_image_part(part, where)
    if kind == "input_audio":
        audio = need_object(part, "input_audio", where)
        path = f"{where}.input_audio"
        return read_audio(need_text(audio, "data", path), need_text(audio, "format", path))
    if kind == "file":
        return _read_file_part(part, where)
    return Foreign("openai", part)


def read_image_part(part: Fields, where: str) -> Image:
    """A picture; some clients write its URL without the object around it."""
    image = part.get("image_url")
    if isinstance(image, str) and image:
        return read_image(image, cache=read_cache(part, where))
    image = need_object(part, "image_url", where)
    path = f"{where}.image_url"
    return read_image(need_text(image, "url", path), read_text(image, "detail", path), read_cache(part, where))


def read_cache(part: Fields, where: str) -> Json:
    """A cache mark: OpenRouter's, which is Anthropic's, or OpenAI's own, whose times to live Anthropic does not know."""
    if (mark := read_object(part, "cache_control", where)) is not None:
        return mark
    return None if read_object(part, "prompt_cache_breakpoint", where) is None else {"type": "ephemeral"}


def _read_file_part(part: Fields, where: str) -> Document:
    file = need_object(part, "file", where)
    path = f"{where}.file"
    data, file_id = read_text(file, "file_data", path), read_text(file, "file_id", path)
    if not data and not file_id:
        raise wrong(path, "an object with 'file_data' or 'file_id'")
    return read_file(data or None, file_id, read_text(file, "filename", path), read_cache(part, where))
