"""A provider's definition as it is shown to those who change it: what may be secret is hidden, and comes back as it was.

Of one that takes the place of an entry of the configuration, what is hidden comes from that entry each time: no secret of the
configuration is kept anywhere else.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from app.config import InvalidConfig, ProviderConfig, check_provider
from app.core.audit import hide_secrets
from app.core.redaction import MARK

# What such a variable holds is sent to an address that somebody else may choose than who set it: no secret of the gateway's own ends so,
# nor one of the machine's, such as AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
_OF_PROVIDERS = "_API_KEY"

HIDDEN = MARK
"""Stands where a value is not shown. Who sends it back means what was there before."""


def check_definition(key: str, definition: Mapping[str, Any]) -> ProviderConfig:
    """The entry of a provider that is added while the gateway runs.

    Raises:
        InvalidConfig: it has faults.
    """
    entry = check_entry(key, definition)
    _check_keys(entry.api_key_env)
    return entry


def check_entry(key: str, definition: Mapping[str, Any]) -> ProviderConfig:
    """The same, whatever variables it names.

    Raises:
        InvalidConfig: it has other faults.
    """
    entry = check_provider(key, definition)
    if not entry.base_url:
        raise InvalidConfig("base_url: is missing", param="base_url")
    return entry


def definition_of(entry: ProviderConfig) -> dict[str, Any]:
    """What the configuration says of it, and nothing else."""
    return entry.model_dump(mode="json", exclude_unset=True)


def changed_entry(key: str, definition: Mapping[str, Any], entry: ProviderConfig) -> ProviderConfig:
    """What `definition` makes of an entry of the configuration in the place of which it stands.

    Raises:
        InvalidConfig: it has faults, or what it takes of the entry is not there, or is for another host.
    """
    there = definition_of(entry)
    changed = check_entry(key, restored(definition, there))
    # The configuration may name any variable, and what that holds goes where it said.
    _check_keys(
        each for each in changed.api_key_env if each not in entry.api_key_env or not is_same_host(definition, there)
    )
    return changed


def shown(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with all values of headers hidden, and whatever else is secret by its name or its looks."""
    cleaned = hide_secrets({name: value for name, value in definition.items() if name != "api_key_env"})
    if not isinstance(cleaned, dict):
        raise TypeError("an object stays one")
    # Names of variables look like what is secret, and are not.
    return cleaned | ({"api_key_env": definition["api_key_env"]} if "api_key_env" in definition else {})


def restored(definition: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with what was hidden of `before` in its places.

    Raises:
        InvalidConfig: there was nothing in such a place, or it would be sent to another host than before.
    """
    hidden = shown(before)
    whole = {name: _restored(value, before.get(name), hidden.get(name), name) for name, value in definition.items()}
    if whole != definition and not is_same_host(whole, before):
        raise InvalidConfig("base_url: is another host: write anew what is hidden, or leave it out", param="base_url")
    return whole


def is_same_host(definition: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether what is sent by both goes to the same place."""
    try:
        one, two = (urlsplit(str(each.get("base_url", ""))) for each in (definition, other))
    except ValueError:
        return False
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)


def _check_keys(names: Iterable[str]) -> None:
    for name in names:
        if not name.endswith(_OF_PROVIDERS):
            raise InvalidConfig(
                f"api_key_env: {name} does not end in {_OF_PROVIDERS}, as the variable of a provider that is added must;"
                " config.json may name any",
                param="api_key_env",
            )


def _restored(value: Any, before: Any, hidden: Any, place: str) -> Any:
    """`value` as it was `before`, where it is what was shown of that."""
    if isinstance(value, str) and HIDDEN in value:
        if before is None or value != hidden:
            raise InvalidConfig(
                f"{place}: stands for a value that was hidden, but there was none: write it", param=place
            )
        return before
    if isinstance(value, dict):
        old, seen = (each if isinstance(each, Mapping) else {} for each in (before, hidden))
        return {name: _restored(each, old.get(name), seen.get(name), f"{place}.{name}") for name, each in value.items()}
    if isinstance(value, list):
        olds, seens = (each if isinstance(each, list) else [] for each in (before, hidden))
        return [
            _restored(each, _at(olds, index), _at(seens, index), f"{place}[{index}]")
            for index, each in enumerate(value)
        ]
    return value


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None
