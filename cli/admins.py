"""`llm-relay admins`: who may log in to the dashboard, and what logins there are."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from app.core.moments import write_moment
from cli.database import on_database
from cli.output import counted, fail, show_json, show_table, to_the_second

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.auth.administrators import Administrator, AdministratorDesk
    from app.auth.sessions import Session, Sessions

T = TypeVar("T")
View = dict[str, object]

_TIMES = ("created", "changed", "seen")

app = typer.Typer(help="Say who may log in to the dashboard.", no_args_is_help=True, add_completion=False)
sessions = typer.Typer(help="Look at logins, and end them.", no_args_is_help=True, add_completion=False)
app.add_typer(sessions, name="sessions")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As 'list' shows it.")]
Role = Literal["admin", "viewer"]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all administrators."""
    views = [_view(each) for each in _at_desk(env_file, lambda desk: desk.list_all())]
    if as_json:
        show_json({"administrators": [*views]})
    elif views:
        show_table(
            ["name", "role", "created (UTC)", "changed (UTC)"],
            [_row(view) for view in views],
        )
    else:
        typer.echo("There is none yet: open /admin, or run llm-relay admins add NAME --role admin")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and @ . _ - only.")],
    role: Annotated[Role, typer.Option("--role", help="A viewer looks at everything and changes nothing.")] = "viewer",
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Let somebody log in. The password is asked for."""
    password = _read_password(from_stdin=password_stdin)
    view = _view(_at_desk(env_file, lambda desk: desk.add(name, role, password)))
    if as_json:
        show_json(view)
    else:
        typer.echo(f"{view['name']} may log in as {view['role']}.")


@app.command()
def password(name: Name, password_stdin: FromStdin = False, env_file: EnvFile = None) -> None:
    """Give another password. All logins of that administrator end."""
    new = _read_password(from_stdin=password_stdin)
    _at_desk(env_file, lambda desk: desk.set_password(name, new))
    typer.echo(f"{name} has another password, and all logins with the one before are over.")


@app.command()
def role(
    name: Name,
    new: Annotated[Role, typer.Argument(metavar="ROLE", help="admin or viewer.")],
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Give another role. It counts at once."""
    view = _view(_at_desk(env_file, lambda desk: desk.set_role(name, new)))
    if as_json:
        show_json(view)
    else:
        typer.echo(f"{view['name']} is now {view['role']}.")


@app.command()
def delete(name: Name, env_file: EnvFile = None) -> None:
    """Remove an administrator. All their logins end."""
    _at_desk(env_file, lambda desk: desk.delete(name))
    typer.echo(f"Deleted the administrator {name}.")


@app.command()
def code(env_file: EnvFile = None) -> None:
    """Show the code by which the first visit sets a password."""

    async def read(desk: "AdministratorDesk") -> tuple[str | None, bool]:
        return await desk.read_code(), await desk.has_any()

    found, has_any = _at_desk(env_file, read)
    if has_any:
        fail("No code is needed: there is an administrator, and llm-relay admins password NAME gives another password.")
    if found is None:
        fail("There is no code yet: the gateway makes it at its first start.")
    typer.echo(found)


@sessions.command("list")
def list_sessions(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all logins that are good, the last used first."""
    views = [_view_session(each) for each in _at_sessions(env_file, lambda desk: desk.list_all())]
    if as_json:
        show_json({"sessions": [*views]})
    elif views:
        columns = ["id", "name", "role", "begun (UTC)", "last used (UTC)", "address", "browser"]
        show_table(columns, [_row(view) for view in views], below=(6,))
    else:
        typer.echo("Nobody is logged in.")


@sessions.command()
def end(
    session_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="As 'list' shows it.")] = None,
    all_of: Annotated[str | None, typer.Option("--all-of", metavar="NAME", help="All of one administrator.")] = None,
    env_file: EnvFile = None,
) -> None:
    """End a login, or all of an administrator's."""
    if (session_id is None) == (all_of is None):
        fail("Say which login: either its id, or --all-of NAME.")
    if all_of is not None:
        ended = _at_sessions(env_file, lambda desk: desk.end_all_of(all_of))
        typer.echo(f"Ended {counted(ended, 'login')} of {all_of}.")
    elif _at_sessions(env_file, lambda desk: desk.end(session_id or "")):
        typer.echo(f"Ended the login {session_id}.")
    else:
        fail(f"There is no login {session_id!r}; 'llm-relay admins sessions list' shows all.")


def _at_desk(env_file: Path | None, work: "Callable[[AdministratorDesk], Awaitable[T]]") -> T:
    from app.auth.administrators import AdministratorDesk, NoSuchAdministrator

    try:
        return on_database(env_file, lambda db: work(AdministratorDesk(db)))
    except NoSuchAdministrator as exc:
        fail(f"{exc} 'llm-relay admins list' shows all.")


def _at_sessions(env_file: Path | None, work: "Callable[[Sessions], Awaitable[T]]") -> T:
    from app.auth.sessions import Sessions

    return on_database(env_file, lambda db: work(Sessions(db)))


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))


def _view(administrator: "Administrator") -> View:
    return {
        "name": administrator.name,
        "role": administrator.role,
        "created": write_moment(_moment(administrator.created_at)),
        "changed": write_moment(_moment(administrator.changed_at)),
    }


def _view_session(session: "Session") -> View:
    return {
        "id": session.id,
        "name": session.administrator,
        "role": session.role,
        "created": write_moment(_moment(session.created_at)),
        "seen": write_moment(_moment(session.seen_at)),
        "address": session.address,
        "agent": session.agent,
    }


def _moment(ms: int) -> datetime:
    from app.store.times import from_ms

    return from_ms(ms)


def _row(view: View) -> list[str]:
    return [to_the_second(str(value)) if name in _TIMES else str(value) for name, value in view.items()]
