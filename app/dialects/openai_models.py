"""What OpenAI's two APIs refuse of one model and take of another, told from the model's name.

A name that is not known here gets what was asked for: compatible servers differ too much.
"""

import hashlib
import re

from app.core.chat import Effort

MOST_USER_CHARACTERS = 64

# https://platform.openai.com/docs/models; the others are families that never think, and whose servers refuse the parameter.
_NEVER_THINKS = re.compile(r"gpt-[34]|chatgpt-|(meta-)?llama-?[1-4]|mi[sx]tral|ministral|codestral|gemma-?[1-3]")
_NUMBERED = re.compile(r"gpt-(\d{1,2})(?:\.(\d{1,2}))?(?![\d])")
_FIRST_REASONERS = re.compile(r"o[134](?![a-z0-9])")
_SEARCHES = re.compile(r"search|sonar")
_OLD_WORDS: dict[Effort, Effort] = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}


def word_of(effort: Effort, model: str) -> Effort | None:
    """The word for `effort` that the model knows, or the nearest one; None where it cannot be told how much to think."""
    name = _bare(model)
    if _NEVER_THINKS.match(name):
        return None
    if _FIRST_REASONERS.match(name):
        return _OLD_WORDS.get(effort, effort)
    if (numbered := _NUMBERED.match(name)) is None:
        return effort
    version = (int(numbered[1]), int(numbered[2] or 0))
    knows_xhigh = version >= (5, 2) or "codex-max" in name
    if effort in ("xhigh", "max"):
        return "xhigh" if knows_xhigh else "high"
    if version == (5, 0):
        return "minimal" if effort == "none" else effort
    return "low" if effort == "minimal" else effort


def thinks(model: str) -> bool:
    """Whether it may; False only of models that are known not to."""
    return _NEVER_THINKS.match(_bare(model)) is None


def searches(model: str) -> bool:
    """Whether it takes `web_search_options`: all but the models that are made for it refuse them in chat."""
    return _SEARCHES.search(_bare(model)) is not None


def shortened_user(user: str) -> str:
    """`user`, or what stands for it where it is longer than the APIs take; Claude Code's have some 150 characters."""
    if len(user) <= MOST_USER_CHARACTERS:
        return user
    return hashlib.sha256(user.encode(errors="surrogatepass")).hexdigest()


def shortened_id(call_id: str, most: int) -> str:
    """The same of a call's id; calls and results keep finding each other."""
    if len(call_id) <= most:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode(errors="surrogatepass")).hexdigest()[:24]


def _bare(model: str) -> str:
    return model.lower().rpartition("/")[2]
