"""All dialects in which one can chat, by name."""

from dataclasses import replace

from app.core.reply import JSON_TYPE
from app.dialects.anthropic.dialect import ANTHROPIC
from app.dialects.dialect import Dialect
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.stream import write_array_stream
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from app.dialects.openai.dialect import OPENAI
from app.dialects.responses.dialect import RESPONSES

GEMINI_ARRAY = replace(GEMINI, name="gemini-array", stream_type=JSON_TYPE, write_stream=write_array_stream)
"""What streamGenerateContent gives without `alt=sse`: one JSON array that grows."""

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OPENAI, RESPONSES, ANTHROPIC, GEMINI, GEMINI_ARRAY, OLLAMA, OLLAMA_GENERATE)
}
