"""`llm-relay names train`: teaches a router which prompts a cheaper candidate answers as well."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import Directory, Refused, on_directory
from cli.output import show_fields, show_table

if TYPE_CHECKING:
    from app.core.smart import Router
    from app.smart.outcomes import Outcomes
    from app.smart.training import Training
    from app.store.smart_models import StoredSmartModel


def train(
    router: Annotated[str, typer.Argument(metavar="ROUTER", help="A router's name; its strategy should be `learned`.")],
    data: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='JSON lines: {"prompt": TEXT or "messages": LIST, "quality": {MODEL: 0 to 1}, "costs": {MODEL: USD}}.',
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be learned, and keep nothing.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """Train a router on outcomes; what it learned is in force within two seconds.

    It learns which prompts a cheaper candidate answers no worse than the best one. How sure it has to be follows from the
    router's `max_quality_loss` (5 where it has none): so many percent of the answers may be worse at most. That is proven,
    with 95 % confidence, on three tenths of the prompts, which it is not trained on; where that cannot be, nothing is kept.
    """

    async def work(directory: Directory) -> "tuple[Training, float]":
        from app.core.audit import changing
        from app.pipeline.routing.learned import DEFAULT_MAX_LOSS, write_learned
        from app.smart.desk import title_of
        from app.smart.training import train as learn
        from app.store.smart_models import put_learned

        await directory.prices.load()
        await directory.prices.refresh()
        stored, model = await find_router(directory, router)
        rows = read_rows(data, [candidate.model for candidate in model.candidates])
        max_loss = model.max_quality_loss or DEFAULT_MAX_LOSS
        training = learn(rows, await _costs(directory, model, rows), max_loss)
        if not dry_run:
            with changing("router.train", title_of(model), after={"prompts": len(rows), "max_quality_loss": max_loss}):
                await put_learned(directory.db, stored.id, write_learned(training.learned))
        return training, max_loss

    training, max_loss = on_directory(env_file, work)
    _show(training, max_loss)
    if dry_run:
        typer.echo("\nNothing was kept (--dry-run).")


async def find_router(directory: Directory, name: str) -> "tuple[StoredSmartModel, Router]":
    """The router of that name.

    Raises:
        Refused: there is none.
    """
    from app.core.naming import normalise
    from app.core.smart import Router
    from app.store.smart_models import read_smart_models

    for stored in await read_smart_models(directory.db, "router"):
        if stored.model.name == normalise(name) and isinstance(stored.model, Router):
            return stored, stored.model
    raise Refused(f"There is no router {name!r}.")


def read_rows(path: Path, models: Sequence[str]) -> "list[Outcomes]":
    """All lines of a data file.

    Raises:
        InvalidOutcomes: a line is none.
    """
    from app.smart.outcomes import read_outcomes

    with path.open(encoding="utf-8") as lines:
        return list(read_outcomes(lines, models))


async def _costs(directory: Directory, model: "Router", rows: "Sequence[Outcomes]") -> Mapping[str, float]:
    """What a prompt costs with each candidate: by the data where they say it of all, else by the prices that are known."""
    from statistics import fmean

    names = {name for row in rows for name in row.quality}
    told = {name: [row.costs[name] for row in rows if name in row.costs] for name in names}
    if names and all(told.values()):
        return {name: fmean(costs) for name, costs in told.items()}
    prices = await _prices(directory, model)
    if unknown := sorted(names - prices.keys()):
        raise Refused(
            f"What {', '.join(unknown)} costs is not known: set a price (llm-relay models price set …), or give"
            " 'costs' in the data, for all candidates."
        )
    return {name: prices[name] for name in names}


async def _prices(directory: Directory, model: "Router") -> Mapping[str, float]:
    import time

    from app.core.book import Book, Entry
    from app.core.usage import Usage
    from app.smart.offline import target_of_each
    from app.store.smart_models import read_smart_models

    book = Book(Entry(each.id, each.model) for each in await read_smart_models(directory.db))
    sample, now = Usage(input=500, output=500, requests=1), time.time()
    targets = target_of_each(directory.registry, book, model)
    costs = {name: directory.prices.price(target, sample, now).cost for name, target in targets.items()}
    return {name: float(cost) for name, cost in costs.items() if cost is not None}


def _show(training: "Training", max_loss: float) -> None:
    show_table(
        ["candidate", "quality", "prompts"],
        [[each.model, f"{each.quality:.3f}", f"{each.taken:.1%}"] for each in training.shares],
        right=(1, 2),
    )
    typer.echo()
    show_fields(
        {
            "trained on": f"{training.trained_on:,} prompts",
            "measured on": f"{training.held_out:,} others",
            "best": training.learned.best,
            "threshold": f"{training.threshold:.2f}, for a loss of {max_loss:g} % at most",
            "worse answers": f"{training.worse:.1%}, at most {training.at_most:.1%} with 95 % confidence",
            "cheapest alone": f"{training.always_cheapest:.1%} worse answers",
            "cost": f"{training.cost / training.cost_of_best:.1%} of the best candidate's"
            if training.cost_of_best
            else "-",
        }
    )
