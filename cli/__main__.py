"""`llm-relay`: finds the command that was asked for, and imports no other."""

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from app import __version__

# Each is `module:name`, a Typer application or a function; what it needs is imported when it is called.
_COMMANDS = {
    "serve": "cli.serve:serve",
    "doctor": "cli.doctor:doctor",
    "tokens": "cli.tokens:app",
    "users": "cli.users:app",
    "providers": "cli.providers:app",
    "models": "cli.models:app",
    "names": "cli.names:app",
    "monitors": "cli.monitors:app",
    "usage": "cli.usage:app",
    "requests": "cli.requests:app",
    "alerts": "cli.alerts:alerts",
    "admins": "cli.admins:app",
    "audit": "cli.audit:app",
    "settings": "cli.settings:app",
    "config": "cli.config:app",
    "db": "cli.db:app",
}


class _Commands(TyperGroup):
    """The commands by name; a module is imported when its command is looked at.

    The context is click's own, or the one that newer versions of Typer bring: neither can be named here.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        target = getattr(import_module(module), name)
        if not isinstance(target, typer.Typer):
            function, target = target, typer.Typer(**_PLAIN)
            target.command(cmd_name)(function)
        command = get_command(target)
        command.name = cmd_name
        return command


# A traceback with local variables would show tokens and keys.
_PLAIN: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False}

# Whoever comes from the predecessor writes --rate_limit.
_SPELLINGS = {"token_normalize_func": lambda name: name.replace("_", "-")}

app = typer.Typer(cls=_Commands, no_args_is_help=True, context_settings=_SPELLINGS, **_PLAIN)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def relay(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """LLM Relay: one gateway between LLM clients and LLM providers."""
    if env_file is not None:
        # Where the settings look for it, in this process and in those that it starts.
        os.environ["RELAY_ENV_FILE"] = str(env_file.expanduser().absolute())
    if ctx.invoked_subcommand != "serve":  # what a gateway does by itself is not its starter's doing
        _act_as_operator()


def _act_as_operator() -> None:
    """From here on changes are those of whoever the operating system says this is."""
    from getpass import getuser

    from app.core.audit import ACTOR, Actor

    try:
        user = getuser()
    except (KeyError, OSError):  # a container may run as somebody whom its system does not know
        user = str(os.getuid())
    ACTOR.set(Actor("cli", user))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
