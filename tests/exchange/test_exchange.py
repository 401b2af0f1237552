"""What administrators have made leaves a gateway without secrets, and makes another one the same."""

import asyncio
import copy
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.auth.desk import TokenDesk
from app.auth.limits import set_user_limits
from app.auth.tokens import Tokens, UnknownToken
from app.config import Config
from app.core.jsonio import dumps
from app.exchange.desk import ExchangeDesk, InvalidDocument, PlanOutdated
from app.smart.desk import SmartDesk
from app.store.audit import read_entries
from app.store.catalog import StoredModel, put_changed_provider, put_models, put_provider, read_catalog
from app.store.db import Database
from app.store.exchange import of_switches, write_all
from app.store.prices import StoredPrice, apply_prices, set_price
from app.store.schema import upgrade
from app.store.settings import change_settings
from app.store.tokens import find_token
from tests.databases import KINDS
from tests.smart.test_desk import LEAST, at_once, registry_of

SECRETS = ("hunter2-header", "sk-parameter-0123456789", "sk-description-0123456789", "hunter2-parameter")
PROVIDER = {
    "base_url": "https://own.example/v1",
    "api_key_env": "OWN_API_KEY",
    "headers": {"X-Secret": SECRETS[0]},
    "payload_extra_parameters": {"user": "gateway", "key": SECRETS[1], "auth_token": SECRETS[3]},
}

# One value is the configuration's, which stays there, and the other somebody's own.
CHANGED = {"base_url": "http://acme.test/v1", "headers": {"authorization": "[redacted]", "X-Own": SECRETS[0]}}


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def desk_of(database: Database) -> ExchangeDesk:
    names = names_of(database)
    return ExchangeDesk(
        database, names, at_once, {"retention_days": 90}.get, lambda: Config(dict(names.registry.entries))
    )


def names_of(database: Database) -> SmartDesk:
    return SmartDesk(database, registry_of(), lambda: None, refresh=at_once, settled=at_once)


async def fill(database: Database) -> tuple[str, str]:
    """Something of everything; gives the text and the id of a token."""
    await change_settings(database, {"retention_days": 30, "default_model": "acme/small", "dns_resolution": True})
    await put_provider(database, "own", PROVIDER)
    await put_changed_provider(database, "acme", CHANGED)
    await write_all(database, [of_switches(["locked"], [])])
    said = StoredModel("own", "Big", context_length=9, capabilities=("vision",), description="Ours.", enabled=True)
    await put_models(database, [said, StoredModel("acme", "small", enabled=False), StoredModel("acme", "x", "synced")])
    await put_models(
        database, [StoredModel("acme", "small", source, family=source) for source in ("synced", "litellm")]
    )
    await apply_prices(database, [StoredPrice("acme", "small", "litellm", {"input": "3"}, "litellm 2026-11-20")], [])
    await set_price(database, "own", "Big", {"input": "1.25", "output": "10"})
    await set_user_limits(database, "ann", {"budget_per_day": Decimal("12.5"), "max_concurrent": 3})
    columns = {"admin": True, "budget_per_month": Decimal(40), "tokens_per_day": 5000}
    text, view = await TokenDesk(database).issue(
        "ann", rate_limit=15, models=["acme/*"], tags=["team:a"], columns=columns
    )
    names = names_of(database)
    for kind, definition in LEAST.items():
        note = {"description": SECRETS[2]} if kind == "alias" else {"allowed_tokens": [view.token.id]}
        await names.add(kind, {"name": f"a-{kind}", **definition, **note})
    await names.add("alias", {"name": "ours", "target": "acme/small"})
    return text, view.token.id


async def test_export_makes_an_empty_gateway_the_same(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    await fill(database)
    empty = open_another("empty.db")
    await upgrade(empty)

    exported = await desk_of(database).export()
    plan = await desk_of(empty).plan(exported, replace=True)
    await desk_of(empty).apply(plan)

    expected = copy.deepcopy(exported)
    own, alias = expected["providers"]["own"], expected["names"]["aliases"][0]
    assert (own.pop("headers"), alias.pop("description")) == ({"X-Secret": "[redacted]"}, "[redacted]")
    own["payload_extra_parameters"] = {"user": "gateway"}
    assert await desk_of(empty).export() == expected
    assert {each.partition(" is in no export")[0] for each in plan.warnings if "is in no export" in each} == {
        "providers own: headers.X-Secret",
        "providers own: payload_extra_parameters.key",
        "providers own: payload_extra_parameters.auth_token",
        "aliases a-alias: description",
    }
    assert {line.action for line in plan.lines} == {"added"}
    assert list(exported["names"]) == ["redirects", "routers", "caches", "augmentors", "aliases"]
    assert not (await desk_of(empty).plan(exported, replace=True)).lines
    await desk_of(empty).apply(await desk_of(empty).plan(exported, replace=True))
    (noted,) = await read_entries(empty, action="config.import")
    assert (noted.subject, noted.before["settings retention_days"]) == ("replace", {"environment": 90})
    assert noted.after["counts"] == {"added": len(plan.lines), "changed": 0, "removed": 0}
    assert noted.after["prices own/Big"] == {"input": "1.25", "output": "10"}
    assert noted.after["settings retention_days"] == {"value": 30}


async def test_what_looks_like_a_secret_stays_as_it_is_where_its_export_comes_in_again(database: Database) -> None:
    await fill(database)
    desk = desk_of(database)
    document = await desk.export()
    same = await desk.plan(document, replace=True)
    document["names"]["aliases"][0]["target"] = "acme/other"

    await desk.apply(await desk.plan(document))

    assert same.lines == ()
    alias = (await names_of(database).show("a-alias", "alias")).model
    assert (alias.description, getattr(alias, "target", None)) == (SECRETS[2], "acme/other")


async def test_export_holds_no_secret(database: Database) -> None:
    text, token_id = await fill(database)
    stored = await find_token(database, token_id=token_id)

    exported = dumps(await desk_of(database).export()).decode()

    assert stored is not None
    for secret in (*SECRETS, text, stored.digest.hex()):
        assert secret not in exported
    assert "OWN_API_KEY" in exported


async def test_token_that_came_in_is_nobodys_until_it_is_rotated(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    text, token_id = await fill(database)
    other = open_another("empty.db")
    await upgrade(other)
    plan = await desk_of(other).plan(await desk_of(database).export())
    await desk_of(other).apply(plan)

    tokens = Tokens(other)
    await tokens.refresh()
    with pytest.raises(UnknownToken):
        tokens.find(text)
    rotated, view = await TokenDesk(other).rotate(token_id, timedelta())
    await tokens.refresh()

    assert tokens.find(rotated) is not None
    assert (view.token.username, view.limits["budget_per_month"], view.token.tags) == ("ann", Decimal(40), ("team:a",))
    assert any("rotated" in line for line in plan.warnings)


async def test_diff_and_audit_log_tell_values_and_no_secret(database: Database) -> None:
    await fill(database)
    desk = desk_of(database)
    document = await desk.export()
    document["settings"]["retention_days"] = 7
    document["providers"]["own"] |= {"name": "Own", "headers": {"X-Secret": "another-hunter2"}}
    document["users"] |= {"ben": {"max_concurrent": 1}}
    document["names"]["caches"][0]["ttl_hours"] = 1
    document["prices"] = {}

    plan = await desk.plan(document, replace=True)
    await desk.apply(plan)

    hidden = {"X-Secret": "[redacted]"}
    values = {f"{line.section} {line.key}": line.shown for line in plan.lines}
    ttl_hours = values["names cache a-cache"][0]["ttl_hours"]
    assert values == {
        "settings retention_days": ({"value": 30}, {"value": 7}),
        "providers own": ({"headers": hidden}, {"headers": {"X-Secret": "[redacted] (changed)"}, "name": "Own"}),
        "users ben": (None, {"max_concurrent": 1}),
        "names cache a-cache": ({"ttl_hours": ttl_hours}, {"ttl_hours": 1}),
        "prices own/Big": ({"input": "1.25", "output": "10"}, None),
    }
    (entry,) = await read_entries(database, action="config.import")
    assert entry.before == {name: before for name, (before, _) in values.items() if before is not None}
    told = {name: after for name, (_, after) in values.items() if after is not None}
    assert entry.after == told | {"counts": {"added": 1, "changed": 3, "removed": 1}}
    stored = ((await read_catalog(database)).providers or {})["own"]
    assert stored["headers"] == {"X-Secret": "another-hunter2"}


async def test_long_import_is_abridged_in_the_audit_log(database: Database) -> None:
    desk, users = desk_of(database), {f"user-{number:090}": {"max_concurrent": 1} for number in range(600)}

    await desk.bring_in({"format": "llm-relay-export", "version": 1, "users": users})

    (entry,) = await read_entries(database, action="config.import")
    listed = [name for name in entry.after if name.startswith("users ")]
    assert len(listed) + entry.after["and more"] == 600
    assert 0 < len(dumps(entry.after)) < 100_000


@pytest.mark.parametrize("what", ["settings", "prices", "tokens", "names"])
async def test_plan_that_is_out_of_date_is_not_done(database: Database, what: str) -> None:
    _, token_id = await fill(database)
    desk = desk_of(database)
    document = await desk.export()
    document["users"] = {"ann": {"max_concurrent": 9}}
    plan = await desk.plan(document, replace=True)

    match what:
        case "settings":
            await change_settings(database, {"retention_days": 99})
        case "prices":
            await set_price(database, "own", "Big", {"input": "99"})
        case "tokens":
            await TokenDesk(database).modify(token_id, {"rate_limit": 99})
        case "names":
            await names_of(database).delete("alias", "ours")

    with pytest.raises(PlanOutdated, match="look at it again"):
        await desk.apply(plan)
    with pytest.raises(PlanOutdated):
        await desk.bring_in(document, replace=True, seen=plan.mark)
    after = await desk.export()
    assert after["users"]["ann"]["max_concurrent"] == 3, "nothing of it was done"
    assert after[what] != document[what]
    assert await read_entries(database, action="config.import") == []
    again = await desk.plan(document, replace=True)
    assert (await desk.bring_in(document, replace=True, seen=again.mark)).mark == again.mark
    assert (await desk.export())[what] == document[what]


async def test_two_imports_at_once_do_not_mix(database: Database) -> None:
    await fill(database)
    document = await desk_of(database).export()
    plans = [
        await desk_of(database).plan(document | {"users": {name: {"max_concurrent": 1}}}, replace=True) for name in "ab"
    ]

    done = await asyncio.gather(*(desk_of(database).apply(plan) for plan in plans), return_exceptions=True)

    assert sorted(type(each).__name__ for each in done) == ["NoneType", "PlanOutdated"]
    assert len((await desk_of(database).export())["users"]) == 1


async def test_merge_keeps_what_the_document_has_not_and_replace_removes_it(database: Database) -> None:
    text, _ = await fill(database)
    desk = desk_of(database)
    exported = await desk.export()
    changed = copy.deepcopy(exported)
    changed["settings"]["retention_days"] = 7
    changed["providers"]["own"]["name"] = "Own"
    changed["changed_providers"]["acme"]["name"] = "Acme"
    del changed["prices"]["own/Big"]
    changed["names"]["caches"][0]["ttl_hours"] = 1
    del changed["names"]["aliases"]

    merged = await desk.plan(changed)
    await desk.apply(merged)
    assert {(line.section, line.key, line.action, *(line.after or ())) for line in merged.lines} == {
        ("settings", "retention_days", "changed", "value"),
        ("providers", "own", "changed", "name"),
        ("changed_providers", "acme", "changed", "name"),
        ("names", "cache a-cache", "changed", "ttl_hours"),
    }
    assert (await desk.export())["prices"] == exported["prices"]

    replaced = await desk.plan(changed, replace=True)
    await desk.apply(replaced)
    assert {(line.section, line.key, line.action) for line in replaced.lines} == {
        ("prices", "own/Big", "removed"),
        ("names", "alias a-alias", "removed"),
        ("names", "alias ours", "removed"),
    }
    catalog = await read_catalog(database)
    definition = catalog.providers["own"]
    assert catalog.changed == {"acme": CHANGED | {"name": "Acme"}}, "here, too"
    assert definition["headers"] == PROVIDER["headers"], "what no export has stays"
    assert definition["payload_extra_parameters"] == PROVIDER["payload_extra_parameters"]
    tokens = Tokens(database)
    await tokens.refresh()
    assert tokens.find(text) is not None, "a token that is there goes on"

    changed["providers"]["own"]["base_url"] = "https://elsewhere.example/v1"
    changed["changed_providers"] = {
        "acme": CHANGED | {"base_url": "https://elsewhere.example/v1", "headers": {"X-Own": "[redacted]"}},
        "gone": {"base_url": "https://gone.example/v1"},
    }
    plan = await desk.plan(changed)
    await desk.apply(plan)
    lost, nothing, *lacking = plan.warnings
    assert lost.startswith("changed_providers acme: ")
    assert lost.endswith("; the provider is out of use until that is mended")
    assert nothing == "changed_providers gone: the configuration has none of that name, so that nothing comes of it"
    assert [line.split(" is in no export")[0] for line in lacking] == [
        "providers own: headers.X-Secret",
        "providers own: payload_extra_parameters.key",
        "providers own: payload_extra_parameters.auth_token",
    ]
    catalog = await read_catalog(database)
    assert "headers" not in catalog.providers["own"], "no secret goes to another host"
    assert catalog.changed["acme"]["headers"] == {"X-Own": "[redacted]"}


@pytest.mark.parametrize(
    ("section", "key", "entry", "words"),
    [
        ("settings", "retention_days", "long", "settings.retention_days: retention_days is a whole number"),
        ("settings", "database_url", "x", "settings.database_url: There is no setting"),
        ("providers", "own", {"base_urll": "x"}, "providers.own: base_urll: unknown key"),
        ("changed_providers", "acme", {"base_urll": "x"}, "changed_providers.acme: base_urll: unknown key"),
        ("provider_switches", "own", "on", "provider_switches.own: must be 'off'"),
        ("models", "own/x", {"context_length": 0}, "models.own/x: context_length: must be more than 0"),
        ("models", "own", {}, "models.own: the key must be PROVIDER/MODEL"),
        ("models", "Own/x", {}, "models.Own/x: the provider's key is written in lower case: own/x"),
        ("litellm_prices", "own/x", {"input": "1"}, "litellm_prices.own/x: must have 'rates'"),
        ("prices", "own/x", {"input": "-1"}, "prices.own/x: "),
        ("users", "bob", {"budget_per_day": "much"}, "users.bob: a budget is a text with an amount"),
        ("tokens", "abcd1234", {"username": "bob", "digest": "00"}, "tokens.abcd1234: "),
        (
            "tokens",
            "abcd1234",
            {"username": "bob", "rate_limit": 1, "created": "0001-01-01T00:00:00+05:00"},
            "tokens.abcd1234: in UTC that is none of the years",
        ),
        ("names", "caches", [{"name": "x"}], "names: caches\\[0\\]"),
    ],
)
async def test_one_fault_keeps_all_of_it_out(
    database: Database, section: str, key: str, entry: Any, words: str
) -> None:
    desk = desk_of(database)
    document = {"format": "llm-relay-export", "version": 1, "users": {"ann": {"max_concurrent": 3}}}
    document[section] = {**document.get(section, {}), key: entry}  # type: ignore[dict-item]

    with pytest.raises(InvalidDocument, match=words):
        await desk.plan(document)

    assert (await desk.export())["users"] == {}


@pytest.mark.parametrize("section", ["models", "prices"])
async def test_a_model_stands_in_it_once_however_it_is_spelled(database: Database, section: str) -> None:
    desk = desk_of(database)
    entry = {"input": "1"} if section == "prices" else {"description": "x"}
    document = {"format": "llm-relay-export", "version": 1, section: {"own/Big": entry}}
    await desk.bring_in(document)

    with pytest.raises(InvalidDocument, match=f"{section}.own/big: stands there already, as own/Big"):
        await desk.plan(document | {section: {"own/Big": entry, "own/big": entry}})

    await desk.bring_in(document | {section: {"own/big": entry}})
    assert list((await desk.export())[section]) == ["own/big"]


@pytest.mark.parametrize("document", [None, [], {}, {"format": "llm-relay-export", "version": 2}])
async def test_what_is_no_export_of_this_version_is_told(database: Database, document: Any) -> None:
    with pytest.raises(InvalidDocument):
        await desk_of(database).plan(document)
