"""What the official SDK of each API reads of a reply, as facts in the words of no dialect."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import ollama
import openai
from google import genai
from google.genai import types as gemini
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.contract.crossing import Facts

MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]


def facts(
    text: str,
    reason: str | None,
    prompt_tokens: int | None,
    completion_tokens: int | None,
    tools: Iterable[tuple[str, Any]] = (),
    reasoning: str = "",
    refusal: str = "",
    citations: Iterable[str | None] = (),
) -> Facts:
    """Facts without what only some SDKs show."""
    return Facts(
        text=text,
        reasoning=reasoning,
        refusal=refusal,
        tools=tuple(tools),
        citations=tuple(url for url in dict.fromkeys(citations) if url),
        images=0,
        reason=reason or "",
        prompt_tokens=prompt_tokens or 0,
        completion_tokens=completion_tokens or 0,
    )


class Clients:
    """The official SDK of each API, before one gateway."""

    def __init__(self, base_url: str, token: str) -> None:
        self.openai = openai.OpenAI(base_url=f"{base_url}/v1", api_key=token, max_retries=0)
        self.anthropic = anthropic.Anthropic(base_url=base_url, api_key=token, max_retries=0)
        self.gemini = genai.Client(
            api_key=token, http_options=gemini.HttpOptions(base_url=base_url, api_version="v1beta")
        )
        self.ollama = ollama.Client(host=base_url, headers={"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        """Close all connections."""
        for client in (self.openai, self.anthropic, self.gemini, self.ollama):
            client.close()


def read_openai(clients: Clients, model: str, *, streamed: bool) -> Facts:
    """Chat Completions by `openai`."""
    create = clients.openai.chat.completions.create
    if streamed:
        state: Any = ChatCompletionStreamState()
        for chunk in create(model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}):
            state.handle_chunk(chunk)
        reply: Any = state.current_completion_snapshot
    else:
        reply = create(model=model, messages=MESSAGES)
    choice, usage = reply.choices[0], reply.usage
    message = choice.message
    return facts(
        message.content or "",
        choice.finish_reason,
        usage and usage.prompt_tokens,
        usage and usage.completion_tokens,
        [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()],
        getattr(message, "reasoning_content", None) or "",
        message.refusal or "",
        [url_of(annotation) for annotation in getattr(message, "annotations", None) or ()],
    )


def url_of(annotation: Any) -> str:
    """Of a source; the accumulator of streams leaves it a dict."""
    url: str = annotation["url_citation"]["url"] if isinstance(annotation, dict) else annotation.url_citation.url
    return url


def read_responses(clients: Clients, model: str, *, streamed: bool) -> Facts:
    """Responses by `openai`."""
    if streamed:
        reply: Any = None
        for event in clients.openai.responses.create(model=model, input="Hi", stream=True):
            if event.type in ("response.completed", "response.incomplete"):
                reply = event.response
    else:
        reply = clients.openai.responses.create(model=model, input="Hi")
    texts, refusals, reasoning, tools, urls = [], [], [], [], []
    for item in reply.output:
        if item.type == "message":
            for part in item.content:
                if part.type == "output_text":
                    texts.append(part.text)
                    urls += [each.url for each in part.annotations if each.type == "url_citation"]
            refusals += [part.refusal for part in item.content if part.type == "refusal"]
        elif item.type == "reasoning":
            reasoning += ["\n\n".join(part.text for part in item.summary)]
        elif item.type == "function_call":
            tools.append((item.name, json.loads(item.arguments)))
    return facts(
        "".join(texts),
        reply.status,
        reply.usage and reply.usage.input_tokens,
        reply.usage and reply.usage.output_tokens,
        tools,
        "".join(reasoning),
        "".join(refusals),
        urls,
    )


def read_anthropic(clients: Clients, model: str, *, streamed: bool) -> Facts:
    """Messages by `anthropic`."""
    messages = clients.anthropic.messages
    if streamed:
        with messages.stream(model=model, max_tokens=99, messages=MESSAGES) as stream:
            reply: anthropic.types.Message = stream.get_final_message()
    else:
        reply = messages.create(model=model, max_tokens=99, messages=MESSAGES)
    usage = reply.usage
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return facts(
        "".join(block.text for block in reply.content if block.type == "text"),
        reply.stop_reason,
        prompt,
        usage.output_tokens,
        [(block.name, block.input) for block in reply.content if block.type == "tool_use"],
        "".join(block.thinking for block in reply.content if block.type == "thinking"),
        citations=[
            getattr(citation, "url", None)
            for block in reply.content
            if block.type == "text"
            for citation in block.citations or ()
        ],
    )


def read_gemini(clients: Clients, model: str, *, streamed: bool) -> Facts:
    """generateContent by `google-genai`."""
    models = clients.gemini.models
    if streamed:
        replies = list(models.generate_content_stream(model=model, contents="Hi"))
    else:
        replies = [models.generate_content(model=model, contents="Hi")]
    texts: list[str] = []
    reasoning: list[str] = []
    urls: list[str | None] = []
    tools, reason, usage = [], None, None
    for reply in replies:
        usage = reply.usage_metadata or usage
        for candidate in reply.candidates or ():
            reason = candidate.finish_reason or reason
            grounding = candidate.grounding_metadata
            chunks = (grounding.grounding_chunks if grounding else None) or ()
            urls += [chunk.web.uri for chunk in chunks if chunk.web]
            for part in (candidate.content and candidate.content.parts) or ():
                if part.function_call:
                    tools.append((part.function_call.name or "", part.function_call.args))
                elif part.text:
                    (reasoning if part.thought else texts).append(part.text)
    completion = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) if usage else 0
    prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0) if usage else 0
    thought = "".join(reasoning)
    return facts("".join(texts), reason and reason.value, prompt, completion, tools, thought, citations=urls)


def read_ollama(clients: Clients, model: str, *, streamed: bool) -> Facts:
    """/api/chat by `ollama`, which knows nothing of sources."""
    if streamed:
        replies = list(clients.ollama.chat(model=model, messages=MESSAGES, stream=True))
    else:
        replies = [clients.ollama.chat(model=model, messages=MESSAGES)]
    last = replies[-1]
    assert [reply.done for reply in replies].count(True) == 1
    assert last.done
    return facts(
        "".join(reply.message.content or "" for reply in replies),
        last.done_reason,
        last.prompt_eval_count,
        last.eval_count,
        [
            (call.function.name, dict(call.function.arguments))
            for reply in replies
            for call in reply.message.tool_calls or ()
        ],
        "".join(reply.message.thinking or "" for reply in replies),
    )


READERS: dict[str, Callable[..., Facts]] = {
    "openai": read_openai,
    "responses": read_responses,
    "anthropic": read_anthropic,
    "gemini": read_gemini,
    "ollama": read_ollama,
}
