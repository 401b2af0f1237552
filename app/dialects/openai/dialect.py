"""OpenAI's Chat Completions as a dialect among others."""

from collections.abc import Sequence

from app.core.errors import UpstreamError
from app.dialects.dialect import Dialect
from app.dialects.openai.decode import read_request
from app.dialects.openai.encode import write_request
from app.dialects.openai.errors import read_error, write_error, write_error_event
from app.dialects.openai.events import ChatEventReader, ChatEventWriter
from app.dialects.openai.reply import read_reply, write_reply
from app.dialects.openai.words import WORDS


def _read_error(
    status: int, body: bytes, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    return read_error(status, body, provider=provider, retry_after=retry_after, secrets=secrets)


OPENAI = Dialect(
    name="openai",
    stream_type="text/event-stream; charset=utf-8",
    words=WORDS,
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    read_stream=ChatEventReader,
    write_reply=write_reply,
    write_stream=ChatEventWriter,
    read_error=_read_error,
    write_error=write_error,
    write_error_event=write_error_event,
)
