"""How tokens are shown: as JSON, in a list, by themselves, and what changed of one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from app.core.limits import LIMITS
from app.core.moments import write_moment
from cli.limits import NONE, limits_in_words, show_use, view_limits
from cli.output import show_fields, show_json, show_table, to_the_second

if TYPE_CHECKING:
    from app.auth.desk import TokenView
    from app.store.tokens import StoredToken

View = dict[str, object]

NEVER = "never"

_EMPTY = {"expires": NEVER, "last_used": NEVER, "models": "all", "tags": "-"} | dict.fromkeys(LIMITS, NONE)
_TITLES = {
    "id": "id",
    "username": "username",
    "expires": "expires",
    "rate_limit": "limit",
    "used_today": "used today",
    "lifetime_requests": "lifetime",
    "last_used": "last used",
    "models": "models",
    "tags": "tags",
    "state": "state",
}

_LIST = ["id", "username", "today", "expires", "state", "last used", "lifetime", "models", "tags", "limits"]
_BELOW = [_LIST.index(title) for title in ("limits", "models", "tags", "lifetime", "last used")]


def view_token(seen: "TokenView") -> View:
    """What may be shown of a token; the keys are those of the JSON output."""
    token = seen.token
    return {
        "id": token.id,
        "username": token.username,
        "expires": moment(token.expires_at),
        "rate_limit": token.rate_limit,
        "used_today": seen.used_today,
        "lifetime_requests": token.lifetime_requests,
        "last_used": moment(token.last_used_at),
        "created": moment(token.created_at),
        "models": list(token.models),
        "tags": list(token.tags),
        "admin": token.admin,
        "log_bodies": token.log_bodies,
        "state": seen.state,
        "limits": view_limits(seen.limits),
    }


def moment(ms: int | None) -> str | None:
    """A time as the JSON output has it, in UTC; None where there is none."""
    from app.store.times import from_ms

    return None if ms is None else write_moment(from_ms(ms))


def show_tokens(views: Sequence[View]) -> None:
    """A table of tokens; where it is too wide for the terminal, what is seldom asked for goes under the rows."""
    show_table(_LIST, [_row(view) for view in views], below=_BELOW, folds=_LIST.index("username"))


def show_token(view: View, *, as_json: bool) -> None:
    """One token, with how much of its limits is used."""
    if as_json:
        show_json(view)
    else:
        further = {"created": "created", "admin": "admin", "log_bodies": "log bodies"}
        words = _words(view) | {title: _word(name, view[name]) for name, title in further.items()}
        show_fields({title: said for title, said in words.items() if title not in ("limit", "used today")})
        show_use([_use_today(view), *view["use"]])  # type: ignore[misc] # of `show`


def show_change(before: View, after: View, *, as_json: bool) -> None:
    """What is other after a command."""
    old, new = _flat(before), _flat(after)
    names = [name for name in old | new if old.get(name) != new.get(name)]
    changed = {name: {"from": old.get(name), "to": new.get(name)} for name in names}
    if as_json:
        show_json({"token": after, "changed": changed})
        return
    if not changed:
        typer.echo(f"Nothing changed: the token {after['id']} of {after['username']} is like that already.")
        return
    typer.echo(f"Changed the token {after['id']} of {after['username']}:")
    for name, values in changed.items():
        typer.echo(f"  {name}: {_word(name, values['from'])} → {_word(name, values['to'])}")


def show_issued(text: str, seen: "TokenView", *, as_json: bool, quiet: bool) -> None:
    """A token that was just made, with its text."""
    token: StoredToken = seen.token
    if quiet:
        typer.echo(text)
    elif as_json:
        show_json({"token": text} | view_token(seen) | {"previous_until": moment(token.previous_until)})
    else:
        typer.echo(f"The token of {token.username} (id {token.id}). It is shown only now:\n\n  {text}\n")
        if token.previous_until is not None:
            typer.echo(f"The old one works until {_word('expires', moment(token.previous_until))} UTC.")
        ends = _word("expires", moment(token.expires_at))
        typer.echo(f"{token.rate_limit} calls a day; expires: {ends}{'' if token.expires_at is None else ' UTC'}.")


def _use_today(view: View) -> View:
    """How its calls a day stand, as `view_use` tells of the other limits."""
    from app.core.limits import TOKENS_PER_DAY, end_of, period_of
    from app.store.times import now_ms

    used, most = int(str(view["used_today"])), int(str(view["rate_limit"]))
    end = end_of(TOKENS_PER_DAY, period_of(TOKENS_PER_DAY, now_ms() / 1000)) or 0  # of today
    return {
        "of": "token",
        "limit": "rate_limit",
        "used": used,
        "reserved": 0,
        "most": most,
        "percent": round(100 * used / most, 1) if most else 100.0,
        "starts_anew": moment(end * 1000),
    }


def _row(view: View) -> list[str]:
    words = _words(view) | {
        "today": f"{view['used_today']}/{view['rate_limit']}",
        "limits": limits_in_words(view["limits"]) or "-",
    }
    return [words[title] for title in _LIST]


def _words(view: View) -> dict[str, str]:
    return {title: _word(name, view[name]) for name, title in _TITLES.items()}


def _word(name: str, value: object) -> str:
    if value is None or value == []:
        return _EMPTY.get(name, "-")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value)
    text = str(value)
    return to_the_second(text) if name in ("expires", "last_used", "created") else text


def _flat(view: View) -> View:
    """With each limit by itself."""
    limits = view["limits"]
    rest = {name: value for name, value in view.items() if name != "limits"}
    return rest | limits if isinstance(limits, dict) else rest
