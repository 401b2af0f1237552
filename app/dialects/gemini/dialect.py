"""Gemini's dialect, put together."""

from app.dialects.dialect import Dialect
from app.dialects.gemini.errors import read_error, write_error, write_error_event
from app.dialects.gemini.provider_request import write_request
from app.dialects.gemini.reply import read_reply, write_reply
from app.dialects.gemini.request import read_request
from app.dialects.gemini.signatures import NAME
from app.dialects.gemini.stream import STREAM_TYPE, StreamReader, write_stream
from app.dialects.gemini.words import WORDS

GEMINI = Dialect(
    name=NAME,
    stream_type=STREAM_TYPE,
    words=WORDS,
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    read_stream=StreamReader,
    write_reply=write_reply,
    write_stream=write_stream,
    read_error=read_error,
    write_error=write_error,
    write_error_event=write_error_event,
    has_comments=False,
)
