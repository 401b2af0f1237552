"""What is known of a model: what it can do, what its calls must keep to, and whether it is offered at all."""

from typing import Literal

from app.core.frozen import frozen

Capability = Literal[
    "completion", "embedding", "tools", "vision", "reasoning", "search", "audio", "pdf", "image", "insert"
]
"""`vision`, `audio` and `pdf` are read by the model, `image` is made by it; `insert` fills in the middle of a text."""

ASK_FOR_USAGE = "stream_options"
"""The parameter of Chat Completions by which the gateway asks for usage in streams. Some providers refuse it."""


@frozen
class Abilities:
    """What a model can do. None where nobody said.

    Attributes:
        context_length: in tokens.
        max_output_tokens: the most that it writes in one reply.
    """

    context_length: int | None = None
    capabilities: tuple[Capability, ...] | None = None
    max_output_tokens: int | None = None


@frozen
class Rules:
    """What the calls of a model must keep to, beyond what its dialect says.

    Attributes:
        max_completion_tokens: True where it knows the limit of tokens by that name only, False where by `max_tokens` only;
            of no meaning but in OpenAI's Chat Completions.
        system_prompt: False where it takes no system messages.
        unsupported: parameters that it does not take, in the words of Chat Completions and of OpenAI's embeddings.
    """

    max_completion_tokens: bool | None = None
    system_prompt: bool = True
    unsupported: tuple[str, ...] = ()

    @property
    def usage_can_be_asked(self) -> bool:
        """Whether the gateway may ask for usage at the end of streams."""
        return ASK_FOR_USAGE not in self.unsupported


@frozen
class Known:
    """All that is known of one model.

    Attributes:
        rules: None where its calls need nothing, which is so of most.
        disabled: why it is not offered; None where it is.
        family: of models that it belongs to, such as `llama`; None where nobody said.
        description: what it is good for, in its provider's words or the operator's; None where nobody said.
    """

    abilities: Abilities = Abilities()
    rules: Rules | None = None
    disabled: str | None = None
    family: str | None = None
    description: str | None = None


UNKNOWN = Known()
"""Of a model that nobody has said anything about."""
