"""Anthropic's Messages as a dialect."""

from app.core.reply import EVENT_STREAM_TYPE
from app.dialects.anthropic.errors import read_error, write_error, write_error_event
from app.dialects.anthropic.names import NAME
from app.dialects.anthropic.reply import read_reply, write_reply
from app.dialects.anthropic.request import read_request, write_request
from app.dialects.anthropic.stream import MessageReader
from app.dialects.anthropic.words import WORDS
from app.dialects.anthropic.writer import MessageWriter
from app.dialects.dialect import Dialect

ANTHROPIC = Dialect(
    name=NAME,
    stream_type=EVENT_STREAM_TYPE,
    words=WORDS,
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    read_stream=MessageReader,
    write_reply=write_reply,
    write_stream=MessageWriter,
    read_error=read_error,
    write_error=write_error,
    write_error_event=write_error_event,
)
