"""`llm-relay names train`: teaches a router which prompts a cheaper candidate answers as well."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import Directory, Refused, on_directory
from cli.names_desk import desk_of
from cli.output import show_fields, show_table

if TYPE_CHECKING:
    from app.smart.training_desk import Trained


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

    async def work(directory: Directory) -> "Trained":
        from app.smart.desk import NoSuchName
        from app.smart.training_desk import TrainingDesk

        await directory.prices.load()
        await directory.prices.refresh()
        try:
            with data.open(encoding="utf-8") as lines:
                return await TrainingDesk(desk_of(directory), directory.prices).train(router, lines, dry_run=dry_run)
        except NoSuchName as exc:
            raise Refused(str(exc)) from exc

    _show(on_directory(env_file, work))
    if dry_run:
        typer.echo("\nNothing was kept (--dry-run).")


def _show(trained: "Trained") -> None:
    training = trained.training
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
            "threshold": f"{training.threshold:.2f}, for a loss of {trained.max_loss:g} % at most",
            "worse answers": f"{training.worse:.1%}, at most {training.at_most:.1%} with 95 % confidence",
            "cheapest alone": f"{training.always_cheapest:.1%} worse answers",
            "cost": f"{training.cost / training.cost_of_best:.1%} of the best candidate's"
            if training.cost_of_best
            else "-",
        }
    )
