"""What `llm-relay doctor` looks at beside providers, where it is set or used: Chroma, SearXNG and the local embedder."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from cli.findings import Finding, Verdict

if TYPE_CHECKING:
    from app.core.smart import SmartModel
    from app.settings import Settings

_ANSWER_S = 10.0
_IMPORT_S = 60.0  # the client of Chroma takes seconds, the model of the embedder one


async def examine_services(settings: "Settings") -> list[Finding]:
    """Ask those that the settings name."""
    asked = []
    if settings.chroma_url:
        asked.append(_ask_chroma(settings))
    if settings.searxng_url:
        asked.append(_ask_searxng(settings))
    return await asyncio.gather(*asked)


async def examine_embedder(settings: "Settings", models: "Iterable[SmartModel]") -> list[Finding]:
    """Load the local embedder where a cache has it, or its folder is set."""
    from app.core.embedding import EmbedderUnavailable
    from app.core.smart import Cache
    from app.embedders.local import open_local
    from app.smart.checks import LOCAL, has_local_embedder

    # Where it is not installed, what is to be done is told of each cache that has it.
    is_used = has_local_embedder() and any(
        isinstance(each, Cache) and each.enabled and each.embedder == LOCAL for each in models
    )
    if not (is_used or settings.local_embedder_dir):
        return []
    subject = "local embedder"
    try:
        async with asyncio.timeout(_IMPORT_S):
            embedder = await open_local(settings.local_embedder_dir)
    except EmbedderUnavailable as exc:
        where = " Setting: LOCAL_EMBEDDER_DIR" if settings.local_embedder_dir else ""
        return [Finding(Verdict.ERROR, subject, f"cannot be used: {exc}.{where}")]
    except TimeoutError:
        return [Finding(Verdict.ERROR, subject, f"was not loaded within {_IMPORT_S:g} s")]
    embedder.close()
    return [Finding(Verdict.OK, subject, f"loads; {embedder.name}")]


async def _ask_chroma(settings: "Settings") -> Finding:
    from app.core.errors import CacheUnavailable
    from app.smart.stages import chroma_server
    from app.store.vectors.chroma_link import ChromaLink

    server = chroma_server(settings)
    if server is None:
        raise ValueError("no CHROMA_URL")
    link = ChromaLink(server)
    setting = "CHROMA_URL"
    try:
        async with asyncio.timeout(_IMPORT_S):
            await link.warm()
        version = await link.do(lambda client: client.get_version(), _ANSWER_S)
        setting = "CHROMA_TOKEN, CHROMA_TENANT or CHROMA_DATABASE"
        await link.do(lambda client: client.get_database(server.database, server.tenant), _ANSWER_S)
        await link.do(lambda client: client.count_collections(server.tenant, server.database), _ANSWER_S)
    except CacheUnavailable as exc:
        return Finding(Verdict.ERROR, "Chroma", f"{exc.message} Semantic caches keep nothing. Setting: {setting}")
    except TimeoutError:
        return Finding(Verdict.ERROR, "Chroma", f"Its client was not loaded within {_IMPORT_S:g} s.")
    finally:
        with suppress(TimeoutError):  # it may wait for the import that took too long
            async with asyncio.timeout(_ANSWER_S):
                await link.aclose()
    return Finding(Verdict.OK, "Chroma", f"answers, and lets the gateway in; version {version}")


async def _ask_searxng(settings: "Settings") -> Finding:
    from app.core.web import SearchFailed
    from app.providers.transport import open_transport
    from app.web.search import SearXNG

    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    try:
        await SearXNG(transport, settings.searxng_url or "").search("weather", 1, time.monotonic() + _ANSWER_S)
    except SearchFailed as exc:
        return Finding(Verdict.ERROR, "SearXNG", f"{exc}. Setting: SEARXNG_URL")
    finally:
        await transport.aclose()
    return Finding(Verdict.OK, "SearXNG", "answers, with JSON")
