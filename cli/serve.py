"""`llm-relay serve`: the gateway on uvicorn, in one process or several."""

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.config import InvalidConfig, load_config
from app.logs import set_up_logging
from app.settings import InvalidSettings, Settings, load_settings
from cli.address import try_address

if TYPE_CHECKING:
    import uvicorn

# Streams get this long to end when the gateway stops.
DRAIN_S = 30
# Longer than clients keep idle connections (httpx: 5 s) and proxies theirs (nginx: 60 s), so that the server is never the first.
KEEP_ALIVE_S = 75
APP = "app.main:create_app"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. [SERVER_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [SERVER_PORT]", min=0, max=65535)] = None,
    workers: Annotated[int, typer.Option(help="Processes; each takes its share of the calls.", min=1, max=64)] = 1,
    config: Annotated[Path | None, typer.Option(help="The file of providers. [RELAY_CONFIG]")] = None,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when the code changes; for development.")
    ] = False,
) -> None:
    """Start the gateway. Ctrl-C or SIGTERM stops it when its calls have ended; SIGHUP reads the configuration anew."""
    # What a start imports stays, and to look for garbage in it over and over takes a tenth of it. The application goes on collecting.
    gc.disable()
    # The workers are new processes that read the settings themselves: what was said here reaches them by the environment.
    given = {"SERVER_HOST": host, "SERVER_PORT": port, "RELAY_CONFIG": config, "RELAY_ENV_FILE": env_file}
    os.environ.update({name: str(value) for name, value in given.items() if value is not None})
    for name in ("RELAY_CONFIG", "RELAY_ENV_FILE"):
        if name in os.environ:
            os.environ[name] = str(Path(os.environ[name]).expanduser().absolute())
    from app.overrides import load_overrides
    from app.store.db import UnusableDatabase

    # Until the handler for it stands, a SIGHUP must not end the start; workers inherit that.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        settings = load_settings()
        config_file = load_config(settings.config_path)
        load_overrides(settings.overrides_path)
        for provider in config_file.providers.values():
            settings.secret(provider.api_key_env)
        _open_log(settings)
        _try_address(settings)
        asyncio.run(_prepare_database(settings))
        if workers > 1:
            os.environ["RELAY_METRICS_DIR"] = str(_empty_metrics(settings))
    except (InvalidSettings, InvalidConfig, UnusableDatabase) as exc:
        typer.echo(f"LLM Relay cannot start:\n{exc}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(_run(settings, workers, reload=reload))


# What a worker would fail at is found out before there is one: words then, and no traceback for each worker.


def _open_log(settings: Settings) -> None:
    try:
        set_up_logging(settings)
    except OSError as exc:
        raise InvalidSettings(
            f"LOG_FILE names {str(settings.log_file)!r}, which cannot be written: {exc.strerror}."
        ) from exc


def _try_address(settings: Settings) -> None:
    try:
        try_address(settings)
    except OSError as exc:
        where = f"{settings.host}, port {settings.port}"
        raise InvalidSettings(f"Cannot listen on {where}: {exc.strerror}. Settings: SERVER_HOST, SERVER_PORT.") from exc


async def _prepare_database(settings: Settings) -> None:
    from app.store.db import open_database
    from app.store.schema import upgrade

    database = open_database(settings.database_url)
    try:
        await upgrade(database)
    finally:
        await database.aclose()


def _empty_metrics(settings: Settings) -> Path:
    """Where the workers are to leave what they counted; what those of before left there is gone."""
    folder = settings.data_dir / "metrics" / f"{settings.host}-{settings.port}".replace(":", "_")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
    except OSError as exc:
        raise InvalidSettings(
            f"The folder {str(folder)!r} cannot be written: {exc.strerror}. Setting: RELAY_DATA_DIR."
        ) from exc
    return folder


def _run(settings: Settings, workers: int, *, reload: bool) -> int:
    import uvicorn

    from cli.protocol import GatewayProtocol

    config = uvicorn.Config(
        APP,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=workers,
        reload=reload,
        loop="uvloop",
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        proxy_headers=False,  # TRUSTED_PROXIES is read by the gateway itself
        timeout_graceful_shutdown=DRAIN_S,
        timeout_worker_healthcheck=30,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
    )
    if workers > 1 or reload:
        gc.enable()
    if reload:
        from uvicorn.supervisors import ChangeReload

        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[config.bind_socket()]).run()
        return 0
    return _run_one(uvicorn.Server(config)) if workers == 1 else _run_several(config)


def _run_one(server: "uvicorn.Server") -> int:
    # uvicorn sends itself the signal that stopped it once more when all is done; that is to be no death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else 1


def _run_several(config: "uvicorn.Config") -> int:
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    class Workers(Multiprocess):
        """Hands SIGHUP on, so that the workers read the configuration anew and drop no call."""

        def terminate_all(self) -> None:
            # The workers close theirs; while this one was open, connections would be taken that nobody serves.
            for listening in self.sockets:
                listening.close()
            super().terminate_all()

        def handle_hup(self) -> None:
            for process in self.processes:
                if process.pid is not None:
                    os.kill(process.pid, signal.SIGHUP)

    workers = Workers(config, sockets=[config.bind_socket()])
    workers.run()
    return int(any(process.exitcode == STARTUP_FAILURE for process in workers.processes))
