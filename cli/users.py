"""`llm-relay users`: what users may use over all their tokens.

A running server knows of a change within a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import on_database
from cli.limits import (
    BudgetPerDay,
    BudgetPerMonth,
    MaxConcurrent,
    RequestsPerMinute,
    TokensPerDay,
    TokensPerMinute,
    limits_in_words,
    parse_limits,
    show_use,
    view_limits,
    view_use,
)
from cli.output import fail, show_fields, show_json, show_table

if TYPE_CHECKING:
    from app.store.db import Database

View = dict[str, object]

app = typer.Typer(help="Limit users over all their tokens.", no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As the tokens have it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all users that have tokens or limits."""

    async def read(db: "Database") -> list[View]:
        return [await _read_view(db, name) for name in await _read_names(db)]

    views = on_database(env_file, read)
    if as_json:
        show_json(views)
    elif views:
        show_table(
            ["username", "tokens", "limits"], [list(_words(view).values()) for view in views], below=(2,), folds=0
        )
    else:
        typer.echo("There is no user yet: make a token with llm-relay tokens add --username NAME")


@app.command()
def show(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show a user's limits, and how much of them is used."""

    async def read(db: "Database") -> View:
        from app.auth.limits import read_user_use

        if name not in await _read_names(db):
            fail(f"There is no user {name!r}; 'llm-relay users list' shows all.")
        return await _read_view(db, name) | {"use": [view_use(each) for each in await read_user_use(db, name)]}

    view = on_database(env_file, read)
    if as_json:
        show_json(view)
        return
    show_fields(_words(view))
    show_use(view["use"])  # type: ignore[arg-type] # made above


@app.command()
def limit(
    name: Name,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: TokensPerDay = None,
    budget_per_day: BudgetPerDay = None,
    budget_per_month: BudgetPerMonth = None,
    max_concurrent: MaxConcurrent = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Limit what a user may use over all tokens; what is not given stays, 'none' lifts a limit."""

    async def change(db: "Database") -> View:
        from app.auth.issue import InvalidToken, checked_username
        from app.store.users import change_user_limits

        columns = parse_limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            tokens_per_day=tokens_per_day,
            budget_per_day=budget_per_day,
            budget_per_month=budget_per_month,
            max_concurrent=max_concurrent,
        )
        if not columns:
            raise InvalidToken("Nothing to change: give a limit, such as --tokens-per-day 100000.")
        await change_user_limits(db, checked_username(name), columns)
        return await _read_view(db, checked_username(name))

    view = on_database(env_file, change)
    if as_json:
        show_json(view)
    else:
        typer.echo(f"The user {view['username']} may use: {_words(view)['limits']}.")


async def _read_names(db: "Database") -> list[str]:
    from app.store.tokens import list_tokens
    from app.store.users import read_user_limits

    return sorted({token.username for token in await list_tokens(db)} | set(await read_user_limits(db)))


async def _read_view(db: "Database", name: str) -> View:
    from app.auth.limits import limit_columns
    from app.core.limits import LIMITS
    from app.core.principal import NO_LIMITS
    from app.store.tokens import list_tokens
    from app.store.users import read_user_limits

    limits = (await read_user_limits(db)).get(name, NO_LIMITS)
    tokens = [token for token in await list_tokens(db) if token.username == name]
    columns = limit_columns({each: getattr(limits, each) for each in LIMITS})
    return {"username": name, "tokens": len(tokens), "limits": view_limits(columns)}


def _words(view: View) -> dict[str, str]:
    limits = limits_in_words(view["limits"]) or "without limit"
    return {"username": str(view["username"]), "tokens": str(view["tokens"]), "limits": limits}
