"""All providers as they are now: where each is defined, what was changed of it, and what keeps it from being used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.config import InvalidConfig, ProviderConfig, check_provider
from app.definitions import changed_entry
from app.providers.registry import Registry
from app.providers.snapshot import ProviderState
from app.providers.trial import Trial
from app.store.catalog import StoredCatalog

Source = Literal["config", "added", "built in", "gone"]
"""Where one is defined. One that is gone is defined nowhere: it is what was changed over an entry that the configuration has no more."""
SWITCHED_OFF = "switched off"
"""The state of a provider that an administrator has switched off."""

_GONE = "config.json, over which it was changed, has it no more"


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider. What its entry holds of headers and parameters may be secret.

    Attributes:
        source: where it is defined.
        entry: None of one that is built in, or was added or changed and cannot be used.
        trial: how asking it last went here, if it was asked.
        changes: the fields in which it is another than the configuration says; None where that counts. None is named where what was
            changed cannot be used.
    """

    state: ProviderState
    source: Source
    entry: ProviderConfig | None
    trial: Trial | None = None
    changes: tuple[str, ...] | None = None


def list_providers(
    registry: Registry, file: Mapping[str, ProviderConfig], stored: StoredCatalog
) -> Iterator[ProviderView]:
    """All of them, in the order in which they are searched; then those that were added or changed and cannot be used."""
    for state in registry.states:
        view = ProviderView(state, "built in", registry.entries.get(state.key), registry.trials.get(state.key))
        if state.key in file:
            view = _with_changes(replace(view, source="config"), file[state.key], stored.changed.get(state.key))
        elif view.entry is not None:
            view = replace(view, source="added")
        is_off = state.key in stored.switched_off
        yield replace(view, state=replace(state, state=SWITCHED_OFF)) if is_off else view
    there = {state.key for state in registry.states}
    for key, definition in stored.providers.items():
        if key not in there and (fault := _fault_of(key, definition)) is not None:
            yield ProviderView(_unusable(ProviderState(key, key, "", None), fault), "added", None)
    for key in stored.changed:
        if key not in there and key not in stored.providers:
            yield ProviderView(_unusable(ProviderState(key, key, "", None), _GONE), "gone", None, changes=())


def _with_changes(view: ProviderView, file: ProviderConfig, changed: Mapping[str, Any] | None) -> ProviderView:
    if changed is None:
        return view
    try:
        entry = changed_entry(view.state.key, changed, file)
    except InvalidConfig as exc:
        return replace(view, state=_unusable(view.state, _in_one_line(exc)), entry=None, changes=())
    fields = ProviderConfig.model_fields
    return replace(view, changes=tuple(name for name in fields if getattr(entry, name) != getattr(file, name)))


def _unusable(state: ProviderState, fault: str) -> ProviderState:
    return replace(state, state=f"cannot be used: {fault}")


def _fault_of(key: str, definition: Mapping[str, Any]) -> str | None:
    try:
        check_provider(key, definition)
    except InvalidConfig as exc:
        return _in_one_line(exc)
    return None


def _in_one_line(exc: InvalidConfig) -> str:
    return "; ".join(str(exc).splitlines())
