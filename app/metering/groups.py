"""What reports can be divided by. A call with two tags is in both groups of theirs."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.store.usage import SumsByName

COLUMNS = {
    "tag": ("tags",),
    "provider": ("provider",),
    "model": ("provider", "model"),
    "token": ("token_id", "username"),
    "user": ("username",),
    "client": ("client",),
    "name": ("name",),
    "alias": ("alias",),
    "router": ("router",),
    "cache": ("cache",),
    "surface": ("surface",),
}
"""The columns of `usage_keys` that sums are read by, for each."""

GROUPS = tuple(COLUMNS)


class Found(NamedTuple):
    """One group of those that there are.

    Attributes:
        key: what its calls have in common; empty for none.
        values: the same, by the columns that tell it from others.
        labels: what else is to be told of it: `provider` and `model`, `username`.
        sums: several, which add up to its own.
    """

    key: str
    values: Mapping[str, str]
    labels: Mapping[str, str]
    sums: list[SumsByName]


def groups_of(group: str, rows: Iterable[tuple[tuple[str, ...], SumsByName]]) -> list[Found]:
    """Those among sums that were read by the columns of one of `GROUPS`."""
    found: dict[str, Found] = {}
    for parts, sums in rows:
        for key in parts[0].split(",") if group == "tag" else [_key(group, parts)]:
            before = found.get(key)
            labels = _labels(group, parts, before.labels if before else {})
            values = labels if group == "model" else {COLUMNS[group][0]: key}
            found[key] = Found(key, values, labels, before.sums if before else [])
            found[key].sums.append(sums)
    return [*found.values()]


def labelled(each: Found, hosts: Mapping[str, str]) -> Mapping[str, str]:
    """Its labels, with the name of the host where its key is the address of one of `hosts`."""
    return {"hostname": hosts[each.key]} if each.key in hosts else each.labels


def _key(group: str, parts: tuple[str, ...]) -> str:
    if group == "model":
        return "/".join(part for part in parts if part)
    return parts[0]


def _labels(group: str, parts: tuple[str, ...], before: Mapping[str, str]) -> dict[str, str]:
    if group == "model":
        return {"provider": parts[0], "model": parts[1]}
    if group != "token":
        return {}
    # A token that was given to another user has both names.
    names = {*before.get("username", "").split(", "), parts[1]} - {""}
    return {"username": ", ".join(sorted(names))}
