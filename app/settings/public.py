"""Settings of the pages for everybody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.settings.values import InvalidSettings, read_switch

OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "success": "The payment was received. Thank you!",
        "error": "The payment did not go through. Nothing was charged; please try again.",
        "cancel": "The payment was cancelled. Nothing was charged.",
    }
)
"""How a payment may end, and what is said of it where the operator sets nothing else."""

_LONGEST = 4000


@dataclass(frozen=True)
class PublicSettings:
    """What the operator set of them, checked.

    Attributes:
        docs_enabled: `/docs` shows the API to everybody.
        payment_texts: what the pages below `/payment` say; an empty line between paragraphs.
    """

    docs_enabled: bool = False
    payment_texts: Mapping[str, str] = field(default_factory=lambda: OUTCOMES)


def read_public(env: Mapping[str, str]) -> PublicSettings:
    """Them from the environment."""
    said = {
        "success": env.get("PAYMENT_SUCCESS_TEXT", ""),
        "error": env.get("PAYMENT_ERROR_TEXT", ""),
        "cancel": env.get("PAYMENT_CANCEL_TEXT", ""),
    }
    for outcome, text in said.items():
        if len(text) > _LONGEST:
            raise InvalidSettings(f"PAYMENT_{outcome.upper()}_TEXT is longer than {_LONGEST} characters.")
    texts = {outcome: said[outcome].strip() or usual for outcome, usual in OUTCOMES.items()}
    return PublicSettings(read_switch(env, "DOCS_ENABLED", False), MappingProxyType(texts))
