"""A provider's definition as it is shown to those who change it: what may be secret is hidden, and comes back as it was."""

from collections.abc import Mapping
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
    entry = check_provider(key, definition)
    if not entry.base_url:
        raise InvalidConfig("base_url: is missing", param="base_url")
    for name in entry.api_key_env:
        if not name.endswith(_OF_PROVIDERS):
            raise InvalidConfig(
                f"api_key_env: {name} does not end in {_OF_PROVIDERS}, as the variable of a provider that is added must;"
                " config.json may name any",
                param="api_key_env",
            )
    return entry


def shown(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with all values of headers hidden, and whatever else is secret by its name or its looks."""
    headers = definition.get("headers")
    if isinstance(headers, Mapping):
        definition = {**definition, "headers": dict.fromkeys(headers, HIDDEN)}
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
    whole = {name: _restored(value, before.get(name), name) for name, value in definition.items()}
    if whole != definition and not is_same_host(whole, before):
        raise InvalidConfig("base_url: is another host: write anew what is hidden, or leave it out", param="base_url")
    return whole


def is_same_host(definition: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether what is sent by both goes to the same place."""
    one, two = (urlsplit(str(each.get("base_url", ""))) for each in (definition, other))
    return (one.scheme, one.netloc) == (two.scheme, two.netloc)


def _restored(value: Any, before: Any, place: str) -> Any:
    if value == HIDDEN:
        if before is None:
            raise InvalidConfig(
                f"{place}: stands for a value that was hidden, but there was none: write it", param=place
            )
        return before
    if isinstance(value, dict):
        old = before if isinstance(before, Mapping) else {}
        return {name: _restored(each, old.get(name), f"{place}.{name}") for name, each in value.items()}
    if isinstance(value, list):
        olds = before if isinstance(before, list) else []
        return [
            _restored(each, olds[index] if index < len(olds) else None, f"{place}[{index}]")
            for index, each in enumerate(value)
        ]
    return value
