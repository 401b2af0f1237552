"""Ollama's dialect. /api/generate is never written: other providers are asked for a chat, and to Ollama's own it passes as it came."""

from dataclasses import replace

from app.dialects.dialect import Dialect
from app.dialects.ollama.errors import read_error, write_error, write_error_event
from app.dialects.ollama.extension import NAME
from app.dialects.ollama.reply import read_reply, write_generate_reply, write_reply
from app.dialects.ollama.request import read_generate_request, read_request, write_request
from app.dialects.ollama.stream import StreamReader, write_generate_stream, write_stream
from app.dialects.ollama.words import WORDS

OLLAMA = Dialect(
    name=NAME,
    stream_type="application/x-ndjson",
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
)

OLLAMA_GENERATE = replace(
    OLLAMA,
    name="ollama-generate",
    client_only=True,
    read_request=read_generate_request,
    write_reply=write_generate_reply,
    write_stream=write_generate_stream,
)
