"""The lists of models that clients ask for: those of providers, and the smart models among them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core.book import LONGEST_WAY, Book, Entry, is_pattern, targets_of
from app.core.call import Route
from app.core.jsonio import Json
from app.core.ports import Shelf
from app.core.principal import Principal
from app.providers import updates
from app.providers.registry import Registry
from app.providers.snapshot import ListedModel


class ModelLists:
    """What each principal may see, answered from memory."""

    def __init__(self, registry: Registry, shelf: Shelf) -> None:
        self._registry = registry
        self._shelf = shelf

    def visible(self, principal: Principal) -> list[ListedModel]:
        """The models that `principal` may use, smart ones first."""
        book = self._shelf.book
        named = (entry for entry in book.entries if not is_pattern(entry.model))
        smart = [listed for entry in named if (listed := self._smart(entry, entry.model.name, principal))]
        real = (model for model in self._registry.models if not book.has(model.id))  # a redirect may be called the same
        return [*smart, *(model for model in real if _is_for(model.route, principal))]

    def find(self, name: str, principal: Principal) -> ListedModel | None:
        """The model that `name` leads to, with a tag behind it or without, if it is listed and `principal` may use it."""
        return self._find(name, principal) or self._find(name.rpartition("@")[0], principal)

    async def describe(self, model: ListedModel) -> Mapping[str, Json] | None:
        """What the provider of a listed model says of it, where it has a call for that."""
        return await self._registry.describe(model)

    def _find(self, name: str, principal: Principal) -> ListedModel | None:
        entry = self._shelf.book.find(name)
        if entry is not None:
            return self._smart(entry, name, principal)
        model = self._registry.model(name)
        return model if model is not None and _is_for(model.route, principal) else None

    def _smart(self, entry: Entry, name: str, principal: Principal) -> ListedModel | None:
        """A smart model as a line of the list under `name`; None where it leads nowhere, or is not for `principal`."""
        model = entry.model
        if not model.may_be_used_by(principal.token_id, principal.username):
            return None
        route = self._route_of(self._shelf.book, targets_of(model, name), LONGEST_WAY)
        if route is None or not _is_for(route := replace(route, name=model.name), principal):
            return None
        target = route.choices[0].target
        line = self._registry.listed(target)
        known = self._registry.known(target)
        if model.description is not None:
            known = replace(known, description=model.description)
        return ListedModel(name, target, route, known, line.formats if line else (), model.kind)

    def _route_of(self, book: Book, names: Sequence[str], longest: int) -> Route | None:
        """Of the first of `names` that leads to a target, by no more names than `longest`: what leads in a circle does not."""
        for name in names if longest else ():
            entry = book.find(name)
            route = (
                self._route_of(book, targets_of(entry.model, name), longest - 1) if entry else self._registry.find(name)
            )
            if route is not None:
                return route
        return None


def _is_for(route: Route, principal: Principal) -> bool:
    """Whether one of its choices is for `principal`: what monitors found is for no caller without a token."""
    choices = route.choices_for(principal)
    return any(not principal.anonymous or choice.target.provider != updates.KEY for choice in choices)
