"""`llm-relay tokens`: issue, look at, change and withdraw tokens, in the database that the server uses.

A running server knows of a change within a second, and of a new token at once.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from app.core.moments import in_utc
from cli.database import on_database
from cli.limits import (
    BudgetPerDay,
    BudgetPerMonth,
    MaxConcurrent,
    RequestsPerMinute,
    TokensPerDay,
    TokensPerMinute,
    parse_limits,
    view_use,
)
from cli.output import show_json, to_the_second
from cli.token_views import NEVER, View, moment, show_change, show_issued, show_token, show_tokens, view_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.auth.desk import TokenDesk, TokenView

T = TypeVar("T")

DEFAULT_RATE_LIMIT = 15
DEFAULT_GRACE_H = 24.0

app = typer.Typer(help="Issue and manage the tokens of clients.", no_args_is_help=True, add_completion=False)

TokenText = Annotated[str | None, typer.Option("--token", help="The whole token.")]
TokenId = Annotated[str | None, typer.Option("--id", help="Its public id, as 'list' shows it.")]
Expiry = Annotated[
    str | None, typer.Option("--expiry", help="When it ends, UTC: 'YYYY-MM-DD HH:MM:SS', a date, or ISO 8601.")
]
NewExpiry = Annotated[str | None, typer.Option("--expiry", help="When it ends, UTC; 'never' for no end.")]
Models = Annotated[
    str | None, typer.Option("--models", help="Names it may use, with commas; * and ? are wildcards. Empty for all.")
]
Tags = Annotated[str | None, typer.Option("--tags", help="Tags of its calls, with commas.")]
_ADMIN = "It may use the administrators' API."
_LOG_BODIES = "What its calls ask and get is kept, encrypted, for some days."
Admin = Annotated[bool | None, typer.Option("--admin/--no-admin", help=_ADMIN, show_default=False)]
LogBodies = Annotated[bool | None, typer.Option("--log-bodies/--no-log-bodies", help=_LOG_BODIES, show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command()
def add(
    username: Annotated[str, typer.Option("--username", help="Who it is for. Several tokens may share a name.")],
    expiry: Expiry = None,
    rate_limit: Annotated[
        int, typer.Option("--rate-limit", help="Calls a UTC day.", min=0, metavar="N")
    ] = DEFAULT_RATE_LIMIT,
    models: Models = None,
    tags: Tags = None,
    admin: Annotated[bool, typer.Option("--admin", help=_ADMIN)] = False,
    log_bodies: Annotated[bool, typer.Option("--log-bodies", help=_LOG_BODIES)] = False,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: TokensPerDay = None,
    budget_per_day: BudgetPerDay = None,
    budget_per_month: BudgetPerMonth = None,
    max_concurrent: MaxConcurrent = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the token and nothing else.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Make a token. It is printed now, and never again."""

    async def issue(desk: "TokenDesk") -> "tuple[str, TokenView]":
        limits = parse_limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            tokens_per_day=tokens_per_day,
            budget_per_day=budget_per_day,
            budget_per_month=budget_per_month,
            max_concurrent=max_concurrent,
        )
        return await desk.issue(
            username,
            rate_limit=rate_limit,
            expires=_parse_expiry(expiry),
            models=_parse_list(models),
            tags=_parse_list(tags),
            columns={**limits, "admin": admin, "log_bodies": log_bodies},
        )

    show_issued(*_at_desk(env_file, issue), as_json=as_json, quiet=quiet)


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all tokens, without their text."""
    views = _at_desk(env_file, _views)
    if as_json:
        show_json(views)
    elif views:
        show_tokens(views)
    else:
        typer.echo("There is no token yet. Make one: llm-relay tokens add --username NAME")


@app.command()
def show(token: TokenText = None, token_id: TokenId = None, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show one token, without its text, and how much of its limits and of its user's is used."""

    async def read(desk: "TokenDesk") -> View:
        found = await _find(desk, token, token_id)
        return view_token(found) | {"use": [view_use(standing) for standing in await desk.read_use(found.token)]}

    show_token(_at_desk(env_file, read), as_json=as_json)


@app.command()
def modify(
    token: TokenText = None,
    token_id: TokenId = None,
    username: Annotated[str | None, typer.Option("--username", help="Who it is for.")] = None,
    expiry: NewExpiry = None,
    rate_limit: Annotated[int | None, typer.Option("--rate-limit", help="Calls a UTC day.", min=0, metavar="N")] = None,
    models: Models = None,
    tags: Tags = None,
    admin: Admin = None,
    log_bodies: LogBodies = None,
    requests_per_minute: RequestsPerMinute = None,
    tokens_per_minute: TokensPerMinute = None,
    tokens_per_day: TokensPerDay = None,
    budget_per_day: BudgetPerDay = None,
    budget_per_month: BudgetPerMonth = None,
    max_concurrent: MaxConcurrent = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Change what is given; all else stays. Prints what changed."""

    async def change(desk: "TokenDesk") -> tuple[View, View]:
        said = {
            "username": username,
            "rate_limit": rate_limit,
            "models": None if models is None else _parse_list(models),
            "tags": None if tags is None else _parse_list(tags),
            "admin": admin,
            "log_bodies": log_bodies,
        }
        changes: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        if expiry is not None:
            changes["expires"] = _parse_expiry(expiry)
        changes |= parse_limits(
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            tokens_per_day=tokens_per_day,
            budget_per_day=budget_per_day,
            budget_per_month=budget_per_month,
            max_concurrent=max_concurrent,
        )
        if not changes:
            _refuse(
                "Nothing to change: give --username, --expiry, --rate-limit, --models, --tags, --admin, --log-bodies or another limit."
            )
        return await _change(desk, token, token_id, **changes)

    show_change(*_at_desk(env_file, change), as_json=as_json)


@app.command()
def disable(
    token: TokenText = None, token_id: TokenId = None, as_json: AsJson = False, env_file: EnvFile = None
) -> None:
    """Refuse a token from now on, and keep it."""
    show_change(*_at_desk(env_file, lambda desk: _change(desk, token, token_id, disabled=True)), as_json=as_json)


@app.command()
def enable(
    token: TokenText = None, token_id: TokenId = None, as_json: AsJson = False, env_file: EnvFile = None
) -> None:
    """Accept a disabled token again."""
    show_change(*_at_desk(env_file, lambda desk: _change(desk, token, token_id, disabled=False)), as_json=as_json)


@app.command()
def delete(
    token: TokenText = None, token_id: TokenId = None, as_json: AsJson = False, env_file: EnvFile = None
) -> None:
    """Remove a token. Its calls stay in the log."""

    async def remove(desk: "TokenDesk") -> View:
        found = await _find(desk, token, token_id)
        await desk.delete(found.token.id)
        return view_token(found)

    view = _at_desk(env_file, remove)
    if as_json:
        show_json({"deleted": view})
    else:
        typer.echo(f"Deleted the token {view['id']} of {view['username']}.")


@app.command()
def rotate(
    token: TokenText = None,
    token_id: TokenId = None,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", help="For how long the old text still works.", min=0, max=8760)
    ] = DEFAULT_GRACE_H,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the new token and nothing else.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Give a token a new text. The old one works for a while, so that clients can be changed without a gap."""

    async def turn(desk: "TokenDesk") -> "tuple[str, TokenView]":
        found = await _find(desk, token, token_id)
        return await desk.rotate(found.token.id, timedelta(hours=grace_hours))

    show_issued(*_at_desk(env_file, turn), as_json=as_json, quiet=quiet)


@app.command("import")
def import_old(
    old: Annotated[Path, typer.Argument(metavar="OLD.db", help="The predecessor's database.")],
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Take over the tokens of the predecessor; its clients go on with those they have.

    Expiries in there have no zone and are taken as local times of this machine.
    """
    from app.auth.desk import view_of
    from app.auth.issue import import_tokens

    result = on_database(env_file, lambda db: import_tokens(db, old))
    if as_json:
        skipped = [{"username": one.username, "reason": one.reason} for one in result.skipped]
        show_json({"imported": [view_token(view_of(token, {})) for token in result.tokens], "skipped": skipped})
        return
    typer.echo(f"Imported {len(result.tokens)} tokens, skipped {len(result.skipped)}.")
    for token in result.tokens:
        typer.echo(f"  {token.id}  {token.username}, until {to_the_second(moment(token.expires_at) or NEVER)}")
    for one in result.skipped:
        typer.echo(f"  skipped: {one.username}: {one.reason}")
    zone = datetime.now().astimezone().tzname()
    typer.echo(f"Expiries were read as local times of this machine ({zone}); they are shown in UTC.")


def _at_desk(env_file: Path | None, work: "Callable[[TokenDesk], Awaitable[T]]") -> T:
    from app.auth.desk import TokenDesk

    return on_database(env_file, lambda db: work(TokenDesk(db)))


async def _views(desk: "TokenDesk") -> list[View]:
    return [view_token(each) for each in await desk.list_all()]


async def _find(desk: "TokenDesk", token: str | None, token_id: str | None) -> "TokenView":
    if (token is None) == (token_id is None):
        _refuse("Say which token: either --id ID or --token TOKEN.")
    return await (desk.show(token_id) if token_id is not None else desk.find(token or ""))


async def _change(desk: "TokenDesk", token: str | None, token_id: str | None, **changes: object) -> tuple[View, View]:
    """The token before and after."""
    before = await _find(desk, token, token_id)
    return view_token(before), view_token(await desk.modify(before.token.id, changes))


def _parse_expiry(text: str | None) -> datetime | None:
    from app.auth.issue import checked_expiry

    if text is None or text.strip().lower() == NEVER:
        return None
    try:
        moment = in_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        _refuse(f"The expiry {text!r} is no time: write 'YYYY-MM-DD HH:MM:SS' (UTC), a date, or '{NEVER}'.")
    return checked_expiry(moment)


def _parse_list(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def _refuse(message: str) -> NoReturn:
    from app.auth.issue import InvalidToken

    raise InvalidToken(message)
