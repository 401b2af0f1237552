"""Whether a provider can be used: it is asked for its list of models, once with each of its keys."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.core.errors import RelayError, UpstreamError
from app.providers.snapshot import Listing
from app.providers.told import Told

Outcome = Literal["answers", "refuses", "tells nothing", "away", "not asked"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What asking came to.

    Attributes:
        words: the same for people.
        told: its models; None where it did not tell.
        at: when it was asked, in seconds since 1970.
        ms: how long it took.
    """

    outcome: Outcome
    words: str
    told: Sequence[Told] | None = None
    at: float = 0.0
    ms: int = 0

    @property
    def can_be_used(self) -> bool:
        """True where calls will most likely be answered."""
        return self.outcome == "answers"


async def try_provider(providers: Sequence[Listing], *, base_url: str, needs_list: bool) -> Trial:
    """Ask a provider with all of its keys, and give the first trial that went wrong, else the first.

    Args:
        providers: the same one with each of its keys.
        needs_list: nobody says its models, so that it has to.
    """
    began, at = time.monotonic(), time.time()
    trials = await asyncio.gather(*(_ask(each, base_url, needs_list) for each in providers))
    ms = round((time.monotonic() - began) * 1000)
    for number, trial in enumerate(trials, 1):
        if not trial.can_be_used:
            words = f"key {number} of {len(trials)}: {trial.words}" if len(trials) > 1 else trial.words
            return replace(trial, words=words, at=at, ms=ms)
    return replace(trials[0], at=at, ms=ms)


async def _ask(provider: Listing, base_url: str, needs_list: bool) -> Trial:
    try:
        told = await provider.list_models()
    except UpstreamError as exc:
        if exc.refuses_key or exc.status == 403:
            return Trial("refuses", f"refuses the key: {exc.message}")
        if needs_list:
            return Trial("tells nothing", f"does not list its models (status {exc.status}): set supported_models")
        return Trial("answers", "answers")
    except RelayError as exc:
        return Trial("away", f"{exc.message} Setting: base_url {base_url}")
    return Trial("answers", f"answers; {len(told)} models", told)
