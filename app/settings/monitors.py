"""Settings of monitors: how Parallel is reached and reaches us, and what users may have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.settings.values import InvalidSettings, is_address, read_choice, read_integer, read_secret

PARALLEL_KEYS = ("PARALLELAI_API_KEY", "PARALLEL_API_KEY")
"""The variables that may hold the key of Parallel's API; the first one that is set counts."""

WEBHOOK_SECRET = "PARALLEL_WEBHOOK_SECRET"  # noqa: S105 - the name of it

WORDS = ("update", "updates", "news", "latest", "recent", "new", "change", "changes", "monitor")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class MonitorSettings:
    """What the operator set of them, checked.

    Attributes:
        base_url: of Parallel's API, without `/v1`.
        webhook_url: where Parallel is told to report to: our `/webhooks/parallel-monitor`, as it is reached from outside.
        webhook_secrets: what its webhooks are signed with; during a rotation, both.
        webhook_insecure: webhooks are taken unsigned, where there is no secret.
        webhooks_per_minute: that are taken from one address.
        per_user: active ones that a user may have.
        lifetime_hours: after which one is ended by itself.
        words: with one of these in it, a question to `speed` asks for updates.
        updates_per_reply: the most that one reply tells.
    """

    base_url: str = "https://api.parallel.ai"
    webhook_url: str | None = None
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    webhook_insecure: bool = False
    webhooks_per_minute: int = 600
    per_user: int = 1
    lifetime_hours: int = 24
    words: tuple[str, ...] = WORDS
    updates_per_reply: int = 20


def first_secret(value: str | None) -> str | None:
    """Of a variable with several keys the first one, as of Parallel's APIs beside its chat only one is used."""
    return value.split(",")[0].strip() or None if value else None


def read_monitors(env: Mapping[str, str]) -> MonitorSettings:
    """Them from the environment."""
    return MonitorSettings(
        base_url=_read_base_url(env),
        webhook_url=_read_webhook_url(env),
        webhook_secrets=read_webhook_secrets(read_secret(env, WEBHOOK_SECRET)),
        webhook_insecure=read_choice(env, "PARALLEL_WEBHOOK_INSECURE", ("true", "false"), "false") == "true",
        webhooks_per_minute=read_integer(env, "WEBHOOKS_PER_MINUTE", 600, 1, 1_000_000),
        per_user=read_integer(env, "MONITORS_PER_USER", 1, 1, 100),
        lifetime_hours=read_integer(env, "MONITOR_LIFETIME_HOURS", 24, 1, 87_600),
        words=_read_words(env),
        updates_per_reply=read_integer(env, "MONITOR_UPDATES_PER_REPLY", 20, 1, 1000),
    )


def _read_base_url(env: Mapping[str, str]) -> str:
    url = env.get("PARALLEL_BASE_URL", "").strip() or "https://api.parallel.ai"
    if not is_address(url) or not {"?", "#"}.isdisjoint(url):
        raise InvalidSettings(f"PARALLEL_BASE_URL is {url!r}, which is no address: write https://HOST, without a user.")
    return url.rstrip("/").removesuffix("/v1")


def _read_webhook_url(env: Mapping[str, str]) -> str | None:
    url = env.get("MONITOR_WEBHOOK_URL", "").strip() or None
    if url and (not is_address(url) or "#" in url):
        raise InvalidSettings(
            f"MONITOR_WEBHOOK_URL is {url!r}, which is no address that Parallel could post to: write"
            " https://HOST/webhooks/parallel-monitor, without a user."
        )
    return url


def read_webhook_secrets(text: str | None) -> tuple[str, ...]:
    """What webhooks are signed with: one secret, or during a rotation several with commas between. Older accounts have any form.

    Raises:
        InvalidSettings: one is a prefix alone.
    """
    secrets = tuple(dict.fromkeys(filter(None, (part.strip() for part in (text or "").split(",")))))
    if "whsec_" in secrets:  # which anybody could sign with
        raise InvalidSettings("PARALLEL_WEBHOOK_SECRET holds whsec_ with nothing after it: write the whole secret.")
    return secrets


def _read_words(env: Mapping[str, str]) -> tuple[str, ...]:
    text = env.get("MONITOR_WORDS", "").strip()
    if not text:
        return WORDS
    words = tuple(dict.fromkeys(filter(None, (part.strip().lower() for part in text.split(",")))))
    for word in words:
        if not _WORD.fullmatch(word):
            raise InvalidSettings(
                f"MONITOR_WORDS holds {word!r}; write words of letters and digits, with commas between."
            )
    return words
