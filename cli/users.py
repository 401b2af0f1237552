"""`llm-relay users`: what users may use over all their tokens.

A running server knows of a change within a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

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
    from collections.abc import Awaitable, Callable

    from app.auth.users import UserDesk, UserView

T = TypeVar("T")
View = dict[str, object]

app = typer.Typer(help="Limit users over all their tokens.", no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As the tokens have it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all users that have tokens or limits."""

    async def read(desk: "UserDesk") -> list[View]:
        return [_view(user) for user in await desk.list_all()]

    views = _at_desk(env_file, read)
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

    async def read(desk: "UserDesk") -> View:
        from app.auth.users import NoSuchUser

        try:
            user = await desk.show(name)
        except NoSuchUser:
            fail(f"There is no user {name!r}; 'llm-relay users list' shows all.")
        return _view(user) | {"use": [view_use(each) for each in await desk.read_use(name)]}

    view = _at_desk(env_file, read)
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

    async def change(desk: "UserDesk") -> View:
        from app.auth.issue import InvalidToken

        changes = parse_limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            tokens_per_day=tokens_per_day,
            budget_per_day=budget_per_day,
            budget_per_month=budget_per_month,
            max_concurrent=max_concurrent,
        )
        if not changes:
            raise InvalidToken("Nothing to change: give a limit, such as --tokens-per-day 100000.")
        return _view(await desk.limit(name, changes))

    view = _at_desk(env_file, change)
    if as_json:
        show_json(view)
    else:
        typer.echo(f"The user {view['username']} may use: {_words(view)['limits']}.")


def _at_desk(env_file: Path | None, work: "Callable[[UserDesk], Awaitable[T]]") -> T:
    from app.auth.users import UserDesk

    return on_database(env_file, lambda db: work(UserDesk(db)))


def _view(user: "UserView") -> View:
    return {"username": user.username, "tokens": user.tokens, "limits": view_limits(user.limits_by_name)}


def _words(view: View) -> dict[str, str]:
    limits = limits_in_words(view["limits"]) or "without limit"
    return {"username": str(view["username"]), "tokens": str(view["tokens"]), "limits": limits}
