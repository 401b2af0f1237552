"""OpenAI's Responses as a dialect."""

from app.dialects.dialect import Dialect
from app.dialects.responses.errors import read_error, write_error, write_error_event
from app.dialects.responses.payload import write_request
from app.dialects.responses.reply import read_reply, write_reply
from app.dialects.responses.request import read_request
from app.dialects.responses.sealed import NAME
from app.dialects.responses.stream import ResponsesReader, ResponsesWriter
from app.dialects.responses.words import WORDS

RESPONSES = Dialect(
    name=NAME,
    stream_type="text/event-stream; charset=utf-8",
    words=WORDS,
    read_request=read_request,
    write_request=write_request,
    read_reply=read_reply,
    read_stream=ResponsesReader,
    write_reply=write_reply,
    write_stream=ResponsesWriter,
    read_error=read_error,
    write_error=write_error,
    write_error_event=write_error_event,
)
