"""`llm-relay models price`: the operator's own prices. A running server knows of a change within two seconds."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Refused, run_on_prices
from cli.output import show_fields, show_json, show_table

if TYPE_CHECKING:
    from app.config import Config
    from app.desks.prices import PriceDesk
    from app.metering.prices import Prices
    from app.metering.rates import Rates
    from app.settings import Settings
    from app.store.db import Database
    from app.store.prices import StoredPrice

app = typer.Typer(
    help="Your own prices, which win over all but a provider's own figure.", no_args_is_help=True, add_completion=False
)

Name = Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="The provider's key and its name for the model.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]

_TOKENS = "a million tokens"
_UNITS = {"request": "a call", "search": "a web search", "image": "a picture", "audio_hour": "an hour of sound"}
"""What the rates are for that are not for tokens."""


def _tokens(of: str) -> Any:
    return typer.Option(help=f"USD for {_TOKENS} {of}.")


@app.command("set")
def set_one(
    name: Name,
    input: Annotated[str | None, _tokens("of the request")] = None,  # noqa: A002 - the option's name
    output: Annotated[str | None, _tokens("of the reply")] = None,
    cache_read: Annotated[str | None, _tokens("read from the cache; absent: as input")] = None,
    cache_write: Annotated[str | None, _tokens("written to the cache; absent: as input")] = None,
    cache_write_1h: Annotated[
        str | None, typer.Option("--cache-write-1h", help="The same for an hour; absent: 1.6 times --cache-write.")
    ] = None,
    reasoning: Annotated[str | None, _tokens("of thinking; absent: as output")] = None,
    input_audio: Annotated[str | None, _tokens("of sound in the request; absent: as input")] = None,
    output_audio: Annotated[str | None, _tokens("of sound in the reply; absent: as output")] = None,
    input_image: Annotated[str | None, _tokens("of pictures in the request; absent: as input")] = None,
    output_image: Annotated[str | None, _tokens("of pictures in the reply; absent: as output")] = None,
    request: Annotated[str | None, typer.Option(help="USD for each call; absent: 0.")] = None,
    search: Annotated[str | None, typer.Option(help="USD for each web search by the provider.")] = None,
    image: Annotated[str | None, typer.Option(help="USD for each picture that is made.")] = None,
    audio_hour: Annotated[str | None, typer.Option(help="USD for an hour of sound.")] = None,
    rates: Annotated[
        str | None, typer.Option(help="All of it as JSON, with tiers and variants, in the place of the other options.")
    ] = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Say what a model costs, in the place of what you said before. 0 is a price."""
    said = {
        "input": input, "output": output, "cache_read": cache_read, "cache_write": cache_write,
        "cache_write_1h": cache_write_1h, "reasoning": reasoning, "input_audio": input_audio,
        "output_audio": output_audio, "input_image": input_image, "output_image": output_image,
        "request": request, "search": search, "image": image, "audio_hour": audio_hour,
    }  # fmt: skip
    given = {rate: value for rate, value in said.items() if value is not None}

    async def write(_settings: "Settings", config: "Config", db: "Database", _prices: "Prices") -> "StoredPrice":
        from app.metering.rates_form import write_rates

        provider, model = _split(name, config)
        read = _read_options(given) if rates is None else _read_document(given, rates)
        return await _desk_on(db).set(provider, model, write_rates(read))

    stored = run_on_prices(env_file, write)
    if as_json:
        show_json(_view(stored))
    else:
        typer.echo(f"{stored.provider}/{stored.model} has your price now ({stored.version}).")


@app.command()
def show(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show the price that is in force, and whose it is."""

    async def read(_settings: "Settings", config: "Config", _db: "Database", prices: "Prices") -> dict[str, Any]:
        from app.core.call import Target
        from app.metering.rates_form import write_rates

        provider, model = _split(name, config)
        found = prices.find(Target(provider, model), time.time())
        rates = None if found.rates is None else write_rates(found.rates)
        return {"provider": provider, "model": model, "version": found.version, "rates": rates}

    view = run_on_prices(env_file, read)
    if as_json:
        show_json(view)
    elif view["rates"] is None:
        name = f"{view['provider']}/{view['model']}"
        typer.echo(f"No price is known of {name}: its calls have no cost, unless the provider says what they cost.")
    else:
        show_fields({"prices": str(view["version"])} | _with_units(view["rates"]))


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show your own prices and those that were synced, not the bundled ones."""

    async def read(_settings: "Settings", _config: "Config", db: "Database", _prices: "Prices") -> "list[StoredPrice]":
        from app.store.prices import list_prices

        return await list_prices(db)

    stored = run_on_prices(env_file, read)
    if as_json:
        show_json([_view(price) for price in stored])
    elif stored:
        rows = [[f"{each.provider}/{each.model}", each.version, _line(each.rates)] for each in stored]
        show_table(["model", "prices", f"USD for {_TOKENS}, or for one"], rows)
    else:
        typer.echo(
            "There is none: the bundled prices count. Set one: llm-relay models price set PROVIDER/MODEL --input …"
        )


@app.command()
def delete(
    name: Name,
    synced: Annotated[bool, typer.Option("--synced", help="The synced price, not your own.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Remove your own price of a model; the next one that is known counts from then on."""

    async def remove(_settings: "Settings", _config: "Config", db: "Database", _prices: "Prices") -> tuple[str, str]:
        from app.desks.prices import NoSuchModel
        from app.store.prices import ADMIN, LITELLM

        provider, _, model = name.partition("/")  # of a provider that is no longer there too
        source = LITELLM if synced else ADMIN
        try:
            await _desk_on(db).delete(provider, model, source)
        except NoSuchModel as exc:
            raise Refused(f"There is no price of {name!r} by {source!r}; see llm-relay models price list.") from exc
        return provider, model

    provider, model = run_on_prices(env_file, remove)
    if as_json:
        show_json({"deleted": {"provider": provider, "model": model}})
    else:
        typer.echo(f"Deleted the price of {provider}/{model}.")


def _desk_on(db: "Database") -> "PriceDesk":
    from app.desks.prices import PriceDesk

    async def nothing() -> None:
        """No server here to be told."""

    return PriceDesk(db, nothing)


def _split(name: str, config: "Config") -> tuple[str, str]:
    from difflib import get_close_matches

    from app.core.web import SEARCH_TARGETS

    provider, _, model = name.partition("/")
    if not provider or not model:
        raise Refused(f"{name!r} is no model: use PROVIDER/MODEL, such as openai/gpt-4.1.")
    if provider not in config.providers and (provider, model) not in SEARCH_TARGETS:
        near = get_close_matches(provider, config.providers, n=1, cutoff=0.0)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise Refused(f"There is no provider {provider!r} in the configuration{hint}")
    return provider, model


def _read_options(given: Mapping[str, str]) -> "Rates":
    from app.metering.rates_form import InvalidRates, read_rates

    try:
        return read_rates(given)
    except InvalidRates as exc:
        if exc.param is None:
            raise
        named = (line.partition(":") for line in str(exc).splitlines())
        raise Refused("\n".join(f"--{rate.replace('_', '-')}:{words}" for rate, _, words in named)) from exc


def _read_document(given: Mapping[str, str], rates: str) -> "Rates":
    import json
    from decimal import Decimal

    from app.metering.rates_form import read_rates

    if given:
        raise Refused("Give either --rates or the other options.")
    try:
        document = json.loads(rates, parse_float=Decimal)
    except ValueError as exc:
        raise Refused(f"--rates is no JSON: {exc}.") from exc
    return read_rates(document)


def _view(price: "StoredPrice") -> dict[str, Any]:
    return {
        "provider": price.provider,
        "model": price.model,
        "source": price.source,
        "version": price.version,
        "rates": dict(price.rates),
    }


def _with_units(rates: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{words} USD for {_UNITS.get(name.split()[-1], _TOKENS)}" for name, words in _fields(rates).items()}


def _fields(rates: Mapping[str, Any]) -> dict[str, str]:
    own = {name: _words(value) for name, value in rates.items() if name != "variants"}
    variants = {
        f"{tier} {name}": _words(value)
        for tier, sheet in rates.get("variants", {}).items()
        for name, value in sheet.items()
    }
    return own | variants


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"{value['base']} ({', '.join(f'>{above}: {rate}' for above, rate in value['above'].items())})"


def _line(rates: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _fields(rates).items())
