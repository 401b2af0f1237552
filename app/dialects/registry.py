"""All dialects by name: those in which one can chat, and those of embeddings; and how the models in their requests are renamed."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.core.jsonio import Json
from app.core.reply import JSON_TYPE
from app.dialects.anthropic.dialect import ANTHROPIC
from app.dialects.dialect import Dialect
from app.dialects.embedding import EmbeddingDialect
from app.dialects.gemini.array import ArrayFrame
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.embed import GEMINI_EMBED, GEMINI_EMBED_BATCH
from app.dialects.gemini.names import rename, rename_batch, rename_counted
from app.dialects.gemini.stream import write_array_stream
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from app.dialects.ollama.embed import OLLAMA_EMBED, OLLAMA_EMBEDDINGS
from app.dialects.openai.completions import COMPLETIONS
from app.dialects.openai.dialect import OPENAI
from app.dialects.openai.embeddings import OPENAI_EMBEDDINGS
from app.dialects.responses.dialect import RESPONSES

GEMINI_ARRAY = replace(
    GEMINI,
    name="gemini-array",
    client_only=True,
    form_of=GEMINI.name,
    frame=ArrayFrame,
    stream_type=JSON_TYPE,
    write_stream=write_array_stream,
)
"""What streamGenerateContent gives without `alt=sse`: one JSON array that grows."""

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (OPENAI, COMPLETIONS, RESPONSES, ANTHROPIC, GEMINI, GEMINI_ARRAY, OLLAMA, OLLAMA_GENERATE)
}

EMBEDDINGS: dict[str, EmbeddingDialect] = {
    dialect.name: dialect
    for dialect in (OPENAI_EMBEDDINGS, OLLAMA_EMBED, OLLAMA_EMBEDDINGS, GEMINI_EMBED, GEMINI_EMBED_BATCH)
}

RENAMES: dict[str, Callable[[Mapping[str, Json], str], Mapping[str, Json]]] = {
    GEMINI.name: rename,
    GEMINI_ARRAY.name: rename,
    "gemini-count": rename_counted,
    GEMINI_EMBED.name: rename,
    GEMINI_EMBED_BATCH.name: rename_batch,
}
"""The members of a client's payload that change for a provider that calls the model so. In all other dialects that is `model` alone."""
