"""`llm-relay models`: what is known of models, what they cost, and models that no provider lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, Refused, on_directory
from cli.descriptions import sync_descriptions
from cli.output import fail, show_fields, show_json, show_table
from cli.price import app as price_app
from cli.sync_prices import sync_prices

if TYPE_CHECKING:
    from app.desks.models import ModelDesk, ModelView
    from app.store.catalog import StoredModel

View = dict[str, Any]

app = typer.Typer(
    help="Show models, say what is known of them and what they cost, and look it up.",
    no_args_is_help=True,
    add_completion=False,
)
sync = typer.Typer(help="Look up what others know of models.", no_args_is_help=True, add_completion=False)
sync.command("descriptions")(sync_descriptions)
sync.command("prices")(sync_prices)
app.add_typer(sync, name="sync")
app.add_typer(price_app, name="price")

Name = Annotated[
    str, typer.Argument(metavar="PROVIDER/MODEL", help="The provider's key and its own name for the model.")
]
Family = Annotated[str | None, typer.Option("--family", help="Of models that it belongs to, such as llama.")]
Length = Annotated[
    int | None, typer.Option("--context-length", help="In tokens.", min=1, max=1_000_000_000, metavar="N")
]
MaxOutput = Annotated[
    int | None,
    typer.Option(
        "--max-output-tokens",
        help="The most that it writes in one reply.",
        min=1,
        max=1_000_000_000,
    ),
]
Capabilities = Annotated[
    str | None,
    typer.Option(
        "--capabilities",
        help="What it can do, with commas: completion, embedding, tools, vision, reasoning, search, audio, pdf, image, insert.",
    ),
]
Description = Annotated[str | None, typer.Option("--description", help="What it is good for.")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is offered.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


_LIST = ["model", "context", "can", "USD in", "USD out", "price by", "state", "source", "known by"]
_NUMBERS = [_LIST.index(title) for title in ("context", "USD in", "USD out")]
_SELDOM = ("known by", "source", "price by", "state", "can", "USD out", "USD in", "context")
_BELOW = [_LIST.index(title) for title in _SELDOM]


@app.command("list")
def list_models(
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider only.")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Only names that hold this.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask providers for their lists.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show the models of all providers that can be used, and what is known of them."""
    views = [
        view
        for view in on_directory(env_file, lambda directory: _read_views(directory, offline=offline))
        if provider in (None, view["provider"]) and (search or "").lower() in view["id"].lower()
    ]
    if as_json:
        show_json(views)
    elif views:
        show_table(_LIST, [_line(view) for view in views], right=_NUMBERS, below=_BELOW)
    else:
        typer.echo("There is no such model. Is a provider's key set? llm-relay doctor tells.")


@app.command()
def show(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all that is known of one model."""
    wanted = _target(name)
    views = on_directory(env_file, lambda directory: _read_views(directory, offline=False))
    view = next((view for view in views if view["id"].lower() == "/".join(wanted).lower()), None)
    if view is None:
        fail(f"There is no model {name!r}; 'llm-relay models list' shows all.")
    if as_json:
        show_json(view)
    else:
        show_fields({key.replace("_", " "): words for key, words in _fields(view).items()})


@app.command()
def add(
    name: Name,
    family: Family = None,
    context_length: Length = None,
    max_output_tokens: MaxOutput = None,
    capabilities: Capabilities = None,
    description: Description = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Offer a model that its provider does not list, or say something of one that it does. Running servers take it within two seconds."""
    said = _said(family, context_length, max_output_tokens, capabilities, description, True)
    _put(name, said, as_json=as_json, env_file=env_file)


@app.command()
def modify(
    name: Name,
    family: Family = None,
    context_length: Length = None,
    max_output_tokens: MaxOutput = None,
    capabilities: Capabilities = None,
    description: Description = None,
    enabled: Enabled = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Change what you say of a model; all else stays. An empty text takes it back."""
    said = _said(family, context_length, max_output_tokens, capabilities, description, enabled)
    if not said:
        fail(
            "Nothing to change: give --family, --context-length, --max-output-tokens, --capabilities, --description, --enabled"
            " or --disabled."
        )
    _put(name, said, as_json=as_json, env_file=env_file)


@app.command()
def delete(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Take back what you said of a model; one that you added is offered no more."""
    provider, model = _target(name)

    async def take_back(directory: Directory) -> None:
        from app.desks.models import NoSuchModel

        try:
            await _desk_of(directory).take_back(provider, model)
        except NoSuchModel as exc:
            raise Refused(f"Nothing was said of {name!r} here.") from exc

    on_directory(env_file, take_back)
    if as_json:
        show_json({"deleted": {"provider": provider, "model": model}})
    else:
        typer.echo(f"Took back what was said of {provider}/{model}.")


async def _read_views(directory: Directory, *, offline: bool) -> list[View]:
    if not offline:
        await directory.registry.discover()
    await directory.prices.load()
    await directory.prices.refresh()
    views, _ = await _desk_of(directory).find()
    return [_view(view) for view in views]


def _desk_of(directory: Directory) -> "ModelDesk":
    from app.desks.models import ModelDesk

    async def nothing() -> None:
        """No server here to be told."""

    return ModelDesk(directory.db, directory.registry, directory.prices, nothing)


def _view(view: "ModelView") -> View:
    known, price = view.known, view.price
    return {
        "id": str(view.target),
        "provider": view.target.provider,
        "model": view.target.model,
        "family": known.family,
        "context_length": known.abilities.context_length,
        "max_output_tokens": known.abilities.max_output_tokens,
        "capabilities": None if known.abilities.capabilities is None else list(known.abilities.capabilities),
        "description": known.description,
        "enabled": known.disabled is None,
        "source": "custom" if view.added else "provider",
        "origins": dict(view.origins),
        "price": {
            "source": view.price_source,
            "version": price.version,
            "input": view.usd("input"),
            "output": view.usd("output"),
        },
    }


def _put(name: str, said: Mapping[str, Any], *, as_json: bool, env_file: Path | None) -> None:
    wanted = _target(name)

    async def put(directory: Directory) -> "StoredModel":
        return await _desk_of(directory).say(*wanted, said)

    model = on_directory(env_file, put)
    if as_json:
        show_json({key: getattr(model, key) for key in ("provider", "model", *_SAID)})
    else:
        typer.echo(f"Said of {model.provider}/{model.model}:")
        for key in _SAID:
            if getattr(model, key) is not None:
                typer.echo(f"  {key.replace('_', ' ')}: {_word(getattr(model, key))}")


def _target(name: str) -> tuple[str, str]:
    provider, _, model = name.strip().partition("/")
    if not provider or not model or set(model) & {"*", "?"}:
        fail(f"{name!r} is no model: write PROVIDER/MODEL, such as openai/gpt-4.1.")
    return provider.lower(), model


_SAID = ("family", "context_length", "max_output_tokens", "capabilities", "description", "enabled")


def _said(
    family: str | None,
    context_length: int | None,
    max_output_tokens: int | None,
    capabilities: str | None,
    description: str | None,
    enabled: bool | None,
) -> View:
    given = {
        "family": family,
        "context_length": context_length,
        "max_output_tokens": max_output_tokens,
        "capabilities": None if capabilities is None else _parse_capabilities(capabilities),
        "description": None if description is None else " ".join(description.split())[:4000],
        "enabled": enabled,
    }
    return {key: (None if value in ("", ()) else value) for key, value in given.items() if value is not None}


def _parse_capabilities(text: str) -> tuple[str, ...]:
    from typing import get_args

    from app.core.abilities import Capability

    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if strange := [name for name in names if name not in get_args(Capability)]:
        fail(f"There is no capability {strange[0]!r}; there are {', '.join(get_args(Capability))}.")
    return names


def _line(view: View) -> list[str]:
    return [
        view["id"],
        _word(view["context_length"]),
        _word(view["capabilities"]),
        *(_word(view["price"][key]) for key in ("input", "output", "source")),
        "enabled" if view["enabled"] else "disabled",
        view["source"],
        _word(sorted(set(view["origins"].values()))),
    ]


def _fields(view: View) -> dict[str, str]:
    """All but the ids, each fact with who says it."""
    price, origins = view["price"], view["origins"]
    facts = {
        key: _word(value) + (f" ({origins[key]})" if key in origins else "")
        for key, value in view.items()
        if key not in ("id", "price", "origins")
    }
    rates = {f"{rate}_price": f"{price[rate]} USD a million tokens" for rate in ("input", "output") if price[rate]}
    return facts | rates | {"prices": _word(price["version"] or None)}


def _word(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(value) or "-"
    return str(value)
