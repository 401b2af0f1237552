"""`llm-relay names eval`: how well a cache would tell one's own pairs of questions apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, Refused, on_directory
from cli.output import show_fields, show_json, show_table

if TYPE_CHECKING:
    from app.core.smart import Cache
    from app.likeness.evaluation import Evaluation, Judged

_SHOWN = 50


def evaluate(
    cache: Annotated[str, typer.Argument(metavar="CACHE", help="A cache's name: its embedder and threshold count.")],
    pairs: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='JSON lines: {"a": TEXT, "b": TEXT, "same": BOOL}, "kind" if wanted.',
        ),
    ],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="In place of the cache's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """Judge pairs of questions as the cache does: its embedder, its threshold and the verifier. Nothing is kept, and a provider's
    embeddings cost what they cost.

    Ends with status 1 where a pair hits that must not.
    """

    async def work(directory: Directory) -> "Evaluation":
        from app.core.embedding import EmbedderUnavailable
        from app.likeness import evaluation
        from app.smart.judging import embedder_of

        model = await _find_cache(directory, cache)
        least = model.similarity_threshold if threshold is None else threshold
        try:
            judged = evaluation.read_pairs(pairs)
            async with embedder_of(
                model, directory.registry, directory.prices, directory.settings.local_embedder_dir
            ) as embedder:
                return await evaluation.evaluate(judged, embedder, least)
        except (EmbedderUnavailable, evaluation.InvalidPairs) as exc:
            raise Refused(str(exc)) from exc

    found = on_directory(env_file, work)
    if as_json:
        show_json(_as_json(found))
    else:
        _show(found)
    if found.wrong:
        raise typer.Exit(1)


async def _find_cache(directory: Directory, name: str) -> "Cache":
    from app.core.naming import normalise
    from app.core.smart import Cache
    from app.store.smart_models import read_smart_models

    for stored in await read_smart_models(directory.db, "cache"):
        if normalise(name) == stored.model.name and isinstance(stored.model, Cache):
            return stored.model
    raise Refused(f"There is no cache {name!r}.")


def _show(found: "Evaluation") -> None:
    show_fields(
        {
            "pairs": f"{found.pairs:,}",
            "hits": f"{found.hits:,}",
            "precision": f"{found.precision:.1%}",
            "recall": f"{found.recall:.1%}",
            "wrong hits": f"{len(found.wrong):,}",
            "missed": f"{len(found.missed):,}",
        }
    )
    for title, judged in (("Wrong hits", found.wrong), ("Missed", found.missed)):
        if judged:
            typer.echo(f"\n{title}")
            show_table(["cosine", "why not", "a", "b"], [_line(each) for each in judged[:_SHOWN]], below=[1, 2, 3])
            if len(judged) > _SHOWN:
                typer.echo(f"… and {len(judged) - _SHOWN} more; --json has all.")


def _line(judged: "Judged") -> list[str]:
    why = "; ".join(judged.reasons) or ("" if judged.hit else "less alike than the threshold")
    return [f"{judged.cosine:.3f}", why, judged.pair.a, judged.pair.b]


def _as_json(found: "Evaluation") -> dict[str, Any]:
    def each(judged: "Judged") -> dict[str, Any]:
        pair = judged.pair
        return {
            "a": pair.a,
            "b": pair.b,
            "kind": pair.kind,
            "cosine": round(judged.cosine, 4),
            "reasons": judged.reasons,
        }

    return {
        "pairs": found.pairs,
        "hits": found.hits,
        "precision": found.precision,
        "recall": found.recall,
        "wrong": [each(judged) for judged in found.wrong],
        "missed": [each(judged) for judged in found.missed],
    }
