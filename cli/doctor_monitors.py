"""What `llm-relay doctor` looks at of monitors, where anything of them is set up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cli.findings import Finding, Verdict

if TYPE_CHECKING:
    from app.settings import Settings

SUBJECT = "monitors"
WEBHOOK_PATH = "/webhooks/parallel-monitor"


async def examine_monitors(settings: "Settings", *, offline: bool) -> list[Finding]:
    """What is set, and whether Parallel takes the key."""
    from app.settings.monitors import PARALLEL_KEYS

    own = settings.monitors
    if not (own.webhook_url or own.webhook_secrets or own.webhook_insecure):
        return []
    findings = [*_examine_webhook(settings)]
    if settings.parallel_key() is None:
        words = f"Parallel has no API key: set {' or '.join(PARALLEL_KEYS)}"
        return [*findings, Finding(Verdict.ERROR, SUBJECT, words)]
    return findings if offline else [*findings, await _ask_parallel(settings)]


def _examine_webhook(settings: "Settings") -> Iterator[Finding]:
    own = settings.monitors
    if own.webhook_url is None:
        yield Finding(Verdict.ERROR, SUBJECT, "Parallel has no address to report to. Setting: MONITOR_WEBHOOK_URL")
    else:
        parts = urlsplit(own.webhook_url)
        if parts.scheme != "https":
            yield Finding(
                Verdict.NOTE, SUBJECT, "MONITOR_WEBHOOK_URL is without TLS: what Parallel reports can be read"
            )
        if not parts.path.endswith(WEBHOOK_PATH):
            yield Finding(
                Verdict.NOTE, SUBJECT, f"MONITOR_WEBHOOK_URL does not end in {WEBHOOK_PATH}, where this gateway listens"
            )
    if own.webhook_secrets:
        yield Finding(Verdict.OK, SUBJECT, "webhooks are checked by their signatures")
    elif own.webhook_insecure:
        yield Finding(
            Verdict.NOTE, SUBJECT, "anybody can send webhooks: PARALLEL_WEBHOOK_INSECURE is true, for trials only"
        )
    else:
        yield Finding(Verdict.ERROR, SUBJECT, "all webhooks are refused. Setting: PARALLEL_WEBHOOK_SECRET")


async def _ask_parallel(settings: "Settings") -> Finding:
    from app.core.errors import RelayError
    from app.monitors.parallel import ParallelMonitors
    from app.providers.transport import open_transport

    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    try:
        remote = ParallelMonitors(transport, settings.parallel_key, settings.monitors.base_url)
        await remote.list_page(limit=1)
    except RelayError as exc:
        return Finding(Verdict.ERROR, SUBJECT, exc.message)
    finally:
        await transport.aclose()
    return Finding(Verdict.OK, SUBJECT, "Parallel answers, and takes the key")
