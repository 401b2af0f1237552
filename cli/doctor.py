"""`llm-relay doctor`: looks at everything that a start needs, and says what to do."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.config import Config, InvalidConfig, ProviderConfig, load_config
from app.settings import InvalidSettings, Settings, load_settings
from cli.address import try_address
from cli.doctor_monitors import examine_monitors
from cli.doctor_services import examine_embedder, examine_services
from cli.findings import Finding, Verdict

if TYPE_CHECKING:
    import httpx

    from app.catalog import Catalog, LeftOut
    from app.store.tokens import StoredToken


_REMOVE = "A newer version may read it; else remove it: llm-relay names delete NAME"


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither providers nor services.")] = False,
    config: Annotated[Path | None, typer.Option(help="The file of providers. [RELAY_CONFIG]")] = None,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check settings, configuration, keys, database and providers. Exit status 1 when something must be mended."""
    environ = dict(os.environ)
    if config is not None:
        environ["RELAY_CONFIG"] = str(config)
    findings = asyncio.run(_examine(environ, env_file, offline=offline))
    if as_json:
        import json

        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    raise typer.Exit(int(any(finding.verdict is Verdict.ERROR for finding in findings)))


async def _examine(environ: dict[str, str], env_file: Path | None, *, offline: bool) -> list[Finding]:
    try:
        settings = load_settings(env_file, environ)
    except InvalidSettings as exc:
        return [Finding(Verdict.ERROR, "settings", str(exc))]
    findings = [*_examine_server(settings), *_examine_anonymous(settings), *await _examine_database(settings)]
    try:
        config = load_config(settings.config_path)
    except InvalidConfig as exc:
        return [*findings, *(Finding(Verdict.ERROR, "config", line) for line in str(exc).splitlines())]
    catalog = await _read_catalog(settings)
    whole, left_out = (config, []) if catalog is None else catalog.merge(config)
    words = f"{settings.config_path}: {len(config.providers)} providers"
    if added := [key for key in whole.providers if key not in config.providers]:
        words += f"; added while the gateway ran: {', '.join(added)}"
    if changed := [] if catalog is None else [key for key in catalog.changed if key in config.providers]:
        words += f"; changed while the gateway ran: {', '.join(changed)}"
    findings.append(Finding(Verdict.OK, "config", words))
    findings += _examine_left_out(left_out)
    findings += _examine_overrides(settings, whole)
    findings += _examine_prices(whole)
    findings += await _examine_providers(settings, whole, catalog, offline=offline)
    findings += await _examine_smart_models(settings, whole, catalog, offline=offline)
    findings += await examine_monitors(settings, offline=offline)
    return findings if offline else findings + await examine_services(settings)


async def _read_catalog(settings: Settings) -> "Catalog | None":
    """What was added to the configuration; None where the database cannot tell, which is found elsewhere."""
    from app.catalog import Catalog
    from app.store.db import open_database
    from app.store.schema import is_current

    if _missing_file(settings.database_url):
        return None
    with contextlib.suppress(Exception):
        database = open_database(settings.database_url)
        try:
            catalog = Catalog(database, lambda: None)
            if await is_current(database):
                await catalog.refresh()
                return catalog
        finally:
            await database.aclose()
    return None


def _examine_left_out(left_out: "list[LeftOut]") -> Iterator[Finding]:
    """Providers in the database that cannot be used, or are not."""
    for one in left_out:
        subject = f"provider {one.key}"
        if one.is_change:
            done, mend, remedy = "changed", "Change it anew, or have config.json count", f"reset {one.key}"
            why = "but the configuration has it no more. Forget that"
        else:
            done, mend, remedy = "added", "Add it anew, or remove it", f"delete {one.key}"
            why = "too, but the configuration has one of that name, which counts. Remove it"
        if not one.faults:
            yield Finding(Verdict.NOTE, subject, f"was {done}, {why}: llm-relay providers {remedy}")
        for fault in one.faults:
            words = f"was {done} but cannot be used: {fault.rstrip('.')}. {mend}: llm-relay providers {remedy}"
            yield Finding(Verdict.ERROR, subject, words)


def _examine_overrides(settings: Settings, config: Config) -> Iterator[Finding]:
    from app.overrides import EVERY, load_overrides, parse_overrides

    path = settings.overrides_path
    try:
        load_overrides(path)
    except InvalidConfig as exc:
        yield from (Finding(Verdict.ERROR, "overrides", line) for line in str(exc).splitlines())
        return
    if path is None:
        return
    yield Finding(Verdict.OK, "overrides", f"{path}: merged over what is shipped")
    for key in parse_overrides(path.read_text(encoding="utf-8-sig")).providers:
        if key != EVERY and key not in config.providers:
            yield Finding(Verdict.NOTE, "overrides", f"{path}: there is no provider {key!r} in the configuration")


def _examine_server(settings: Settings) -> Iterator[Finding]:
    yield Finding(Verdict.OK, "settings", f"data in {settings.data_dir}")
    scheme = "https" if settings.ssl_certfile else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{scheme}://{host}:{settings.port}"
    try:
        try_address(settings)
        yield Finding(Verdict.OK, "server", f"can listen on {address}")
    except OSError as exc:
        words = f"cannot listen on {address} now: {exc.strerror}. If the gateway runs already, that is why."
        yield Finding(Verdict.NOTE, "server", words)


def _examine_anonymous(settings: Settings) -> Iterator[Finding]:
    if settings.anonymous_user is None:
        return
    where = ", ".join(map(str, settings.anonymous_cidrs))
    words = f"calls without a token from {where} run as {settings.anonymous_user!r}."
    if not settings.trusted_proxies:
        words += " Behind a proxy, set TRUSTED_PROXIES: else all its clients have its address."
    yield Finding(Verdict.NOTE, "anonymous", words)


async def _examine_database(settings: Settings) -> list[Finding]:
    from app.store.db import open_database
    from app.store.schema import is_current
    from app.store.tokens import list_tokens

    if missing := _missing_file(settings.database_url):
        return [_examine_place(missing)]
    try:
        database = open_database(settings.database_url)
        try:
            if not await is_current(database):
                words = "can be used; the next start brings its tables to this version"
                return [Finding(Verdict.OK, "database", words)]
            tokens = await list_tokens(database)
        finally:
            await database.aclose()
    except Exception as exc:
        words = f"cannot be used: {str(exc).rstrip('.')}. Setting: DATABASE_URL or RELAY_DATA_DIR."
        return [Finding(Verdict.ERROR, "database", words)]
    words = f"in order; {len(tokens)} tokens" if tokens else "in order; no token yet, the first start makes one"
    return [Finding(Verdict.OK, "database", words), *_examine_user(settings, tokens)]


def _examine_user(settings: Settings, tokens: "list[StoredToken]") -> Iterator[Finding]:
    """Whether calls without a token have a user to run as, where there are to be any."""
    from app.auth.issue import state_of

    user = settings.anonymous_user
    if user is not None and not any(token.username == user and state_of(token) == "active" for token in tokens):
        words = f"ANONYMOUS_USER is {user!r}, who has no good token. Make one: llm-relay tokens add --username NAME"
        yield Finding(Verdict.ERROR, "anonymous", words)


def _examine_prices(config: Config) -> Iterator[Finding]:
    """Where none is named there is nothing to check, and the lists take a while to load."""
    from app.metering.bundled import load_bundled
    from app.metering.prices import FREE, sources_of, unknown_lists

    sources = sources_of(config.providers)
    if any(source.list_id not in (None, FREE) for source in sources.values()):
        yield from (Finding(Verdict.ERROR, "prices", words) for words in unknown_lists(sources, load_bundled()))


def _missing_file(database_url: str) -> Path | None:
    """The SQLite file where it is not there yet: opening would make it, and a check leaves the disk as it is."""
    scheme, _, name = database_url.partition(":///")
    path = Path(name).absolute()
    return path if scheme == "sqlite" and not name.startswith(":memory:") and not os.path.exists(path) else None


def _examine_place(file: Path) -> Finding:
    nearest = next(folder for folder in file.parents if os.path.lexists(folder))
    if not os.path.isdir(nearest):
        mend = f"{str(nearest)!r} is no folder. Move it away"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        mend = f"this user may not write in {str(nearest)!r}. Allow it"
    else:
        return Finding(Verdict.OK, "database", f"{file} will be made at the first start, with a first token")
    words = (
        f"{str(file)!r} is not there and cannot be made: {mend}, or name another place: DATABASE_URL or RELAY_DATA_DIR."
    )
    return Finding(Verdict.ERROR, "database", words)


async def _examine_providers(
    settings: Settings, config: Config, catalog: "Catalog | None", *, offline: bool
) -> list[Finding]:
    from app.providers.transport import open_transport

    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    try:
        asked = (_examine_provider(settings, key, entry, transport, offline) for key, entry in config.providers.items())
        return [*await asyncio.gather(*asked), *_examine_names(settings, config, catalog, transport)]
    finally:
        await transport.aclose()


def _examine_names(
    settings: Settings, config: Config, catalog: "Catalog | None", transport: "httpx.AsyncBaseTransport"
) -> Iterator[Finding]:
    from app.overrides import load_overrides
    from app.providers.registry import Registry

    try:
        overrides = load_overrides(settings.overrides_path)
        if catalog is not None:
            overrides = catalog.overrides(overrides)
        registry = Registry(config, settings.secret, transport, overrides)
    except (InvalidConfig, InvalidSettings):
        return  # told of where it was looked at
    for name in config.names:
        if (why := registry.why_unusable(name)) is not None:
            yield Finding(Verdict.NOTE, f"name {name}", why)
        elif (route := registry.find(name)) is not None and route.rescue and len(route.choices) == 1:
            words = "rescue: continue has nobody to go on: only one target can be used, with one key"
            yield Finding(Verdict.NOTE, f"name {name}", words)


async def _examine_smart_models(
    settings: Settings, config: Config, catalog: "Catalog | None", *, offline: bool
) -> list[Finding]:
    """Smart models that lead nowhere, or of which something else is wrong."""
    from app.desks.settings import settings_with
    from app.overrides import load_overrides
    from app.providers.registry import Registry
    from app.providers.transport import open_transport
    from app.smart.desk import SmartDesk
    from app.smart.search_setup import look_at_searches
    from app.store.db import open_database

    if catalog is None:  # nor can they be read
        return []

    async def nothing() -> None:
        """No server here to be told, and no list on its way."""

    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    database = open_database(settings.database_url)
    try:
        overrides = catalog.overrides(load_overrides(settings.overrides_path))
        registry = Registry(config, settings.secret, transport, overrides)
        lacks = look_at_searches(settings, registry).lacks
        now = settings_with(settings, catalog.settings)
        desk = SmartDesk(database, registry, lambda: now.default_model, refresh=nothing, settled=nothing, lacks=lacks)
        unreadable = [
            Finding(
                Verdict.ERROR, f"{each.kind} {each.name}", f"cannot be read, and does nothing: {each.why}. {_REMOVE}"
            )
            for each in await desk.list_unreadable()
        ]
        if not (stored := await desk.list_all()):
            return [*unreadable, *await examine_embedder(settings, ())]
        if not offline:
            await registry.discover()
        broken = [
            Finding(Verdict.NOTE, f"{each.kind} {each.model.name}", str(fault))
            for each, faults in [*await desk.find_broken(), *await desk.find_lacking()]
            if each.model.enabled
            for fault in faults
        ]
        embedder = await examine_embedder(settings, [each.model for each in stored])
        return [Finding(Verdict.OK, "smart models", f"{len(stored)} defined"), *unreadable, *broken, *embedder]
    except (InvalidConfig, InvalidSettings):
        return []  # told of where it was looked at
    finally:
        await database.aclose()
        await transport.aclose()


async def _examine_provider(
    settings: Settings, key: str, entry: ProviderConfig, transport: "httpx.AsyncBaseTransport", offline: bool
) -> Finding:
    from app.providers.base import HttpProvider
    from app.providers.registry import split_secrets
    from app.providers.trial import try_provider

    subject = f"provider {key}"
    if not entry.enabled:
        return Finding(Verdict.NOTE, subject, "disabled")
    try:
        secrets = split_secrets(settings.secret(entry.api_key_env))
    except InvalidSettings as exc:
        return Finding(Verdict.ERROR, subject, str(exc))
    if entry.api_key_env and not secrets:
        return Finding(Verdict.NOTE, subject, f"no key: set {' or '.join(entry.api_key_env)}")
    if offline:
        return Finding(Verdict.OK, subject, _count_keys(len(secrets)))
    providers = [HttpProvider(key, entry, secret, transport) for secret in secrets or (None,)]
    trial = await try_provider(providers, base_url=entry.base_url, needs_list=not entry.supported_models)
    if trial.can_be_used:
        return Finding(Verdict.OK, subject, trial.words)
    # Whoever needs no key is on somebody's own machine, and may well be off.
    is_fault = trial.outcome == "refuses" or bool(entry.api_key_env)
    return Finding(Verdict.ERROR if is_fault else Verdict.NOTE, subject, trial.words)


def _count_keys(count: int) -> str:
    return {0: "needs no key", 1: "has its key"}.get(count) or f"has {count} keys"


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    styles = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.ERROR: "bold red"}
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark = Text(f"{finding.verdict.value:<5}", style=styles[finding.verdict])
        console.print(mark, Text(f"{finding.subject:<{width}}  {finding.words}"))
    errors = sum(finding.verdict is Verdict.ERROR for finding in findings)
    console.print(f"\n{errors} to mend." if errors else "\nReady to serve.")
