"""`llm-relay names explain`: the way that a call would go, told without sending it."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, on_directory
from cli.name_files import read_document
from cli.name_options import AsJson, EnvFile, Offline
from cli.output import fail, show_json, show_line

if TYPE_CHECKING:
    from app.smart.explain import Way

_INDENT = "  "


def explain(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What a client would put into `model`.")] = None,
    message: Annotated[str, typer.Option("--message", help="What the user says.")] = "Hello",
    request: Annotated[
        str | None, typer.Option("--request", help="A whole body as of /v1/chat/completions, as JSON or YAML.")
    ] = None,
    token_id: Annotated[str | None, typer.Option("--token-id", help="Whose call it is.")] = None,
    offline: Offline = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Tell the way of a call step by step, and what it ends at; nothing is sent.

    What only a running server knows, such as which targets fail now, is not known here: POST /admin/api/names/explain tells that too.
    """
    payload = _payload(name, message, request)

    async def do(directory: Directory) -> "tuple[Way, dict[str, Any]]":
        from app.auth.desk import TokenDesk
        from app.smart.explain import Explainer
        from app.smart.stages import open_to_look

        if not offline:
            await directory.registry.discover()
        await directory.prices.load()
        await directory.prices.refresh()
        smart = open_to_look(
            directory.settings, directory.db, directory.registry, directory.prices, directory.transport
        )
        await smart.live.refresh()
        principal = None if token_id is None else await TokenDesk(directory.db).principal(token_id)
        way = await Explainer(smart.names).explain(payload, principal)
        return way, _view(way, directory)

    way, view = on_directory(env_file, do)
    if as_json:
        show_json({"resolved": way.resolved, "way": view})
        return
    if way.resolved:
        typer.echo(f"{way.resolved}\n")
    _show(view, 0)


def _payload(name: str | None, message: str, request: str | None) -> dict[str, Any]:
    if request is None:
        if name is None:
            fail("Say which: llm-relay names explain NAME, or give a --request.")
        return {"model": name, "messages": [{"role": "user", "content": message}]}
    payload = read_document(request)
    if not isinstance(payload, dict):
        fail(f"{request}: must be the object of one request.")
    return payload if name is None else payload | {"model": name}


def _view(way: "Way", directory: Directory) -> dict[str, Any]:
    from app.desks.models import usd_of

    def target(each: Any) -> dict[str, Any]:
        price = directory.prices.find(each, time.time())
        return {"target": str(each), "input": usd_of(price, "input"), "output": usd_of(price, "output")}

    return {
        "name": way.wanted,
        "kind": None if way.step is None else way.step.kind,
        "smart_model": None if way.step is None else way.step.name,
        "notes": list(way.notes),
        "candidates": [{"model": each.model, "reason": each.reason} for each in way.candidates],
        "asks": list(way.asks),
        "leads_to": [_view(each, directory) for each in way.leads_to],
        "targets": [target(each) for each in way.targets],
        "error": way.error,
    }


def _show(view: dict[str, Any], depth: int) -> None:
    lines = [f"{view['name']}: the {view['kind']} {view['smart_model']}" if view["kind"] else str(view["name"])]
    lines += [_INDENT + note for note in view["notes"]]
    lines += [f"{_INDENT}would ask {asked}" for asked in view["asks"]]
    for each in view["candidates"]:
        lines.append(f"{_INDENT}candidate {each['model']}" + (f": out, {each['reason']}" if each["reason"] else ""))
    for each in view["targets"]:
        lines.append(f"{_INDENT}{each['target']}, {_price(each)}")
    if view["error"]:
        lines.append(f"{_INDENT}error: {view['error']}")
    for line in lines:
        show_line(_INDENT * depth + line, len(_INDENT) * (depth + 3))
    for number, each in enumerate(view["leads_to"]):
        if number:
            typer.echo(f"{_INDENT * (depth + 1)}or")
        _show(each, depth + 1)


def _price(target: dict[str, Any]) -> str:
    if target["input"] is None and target["output"] is None:
        return "of which no price is known"
    return f"{target['input'] or '-'} USD in, {target['output'] or '-'} USD out, a million tokens"
