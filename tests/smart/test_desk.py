"""The desk of smart models: what it lets in, what it refuses in which words, and that a set of them can be carried around."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.config import Config, NameConfig, NamedTarget, ProviderConfig
from app.core.jsonio import dumps, loads
from app.core.smart import KINDS, Cache, Kind
from app.providers.registry import Registry
from app.smart import checks
from app.smart.conflict import Conflict, NameTaken
from app.smart.definition import InvalidName
from app.smart.desk import NoSuchName, SmartDesk
from app.smart.exchange import PlanOutdated, apply_import, export_names, plan_import
from app.smart.live import LiveBook
from app.store.audit import read_entries
from app.store.db import Database, open_database
from app.store.revisions import bump_revision
from app.store.schema import upgrade
from app.store.smart_models import SUBJECT, add_to_stats, put_smart_models
from app.store.tokens import StoredToken, insert_tokens
from tests.smart import CANDIDATES, make_smart

MODELS = ("gpt-x", "small", "large", "picker", "embed", "Vendor/Odd-One")
ROUTER: dict[str, Any] = {
    "designator_model": "acme/picker",
    "purpose": "The cheapest that will do.",
    "candidates": CANDIDATES,
    "fallback_model": "acme/gpt-x",
}
LEAST: dict[Kind, dict[str, Any]] = {
    "alias": {"target": "acme/small"},
    "redirect": {"target": "acme/small"},
    "router": ROUTER,
    "cache": {"target_model": "acme/small", "embedder": "acme/embed"},
    "augmentor": {"target_model": "acme/small", "designator_model": "acme/picker"},
}


def registry_of() -> Registry:
    """With one provider whose list is known, one whose list is not, one that has no key, and a name of the configuration."""
    entries = {
        "acme": ProviderConfig(base_url="http://acme.test/v1", supported_models=MODELS),
        "open": ProviderConfig(base_url="http://open.test/v1"),
        "locked": ProviderConfig(base_url="http://x.test/v1", supported_models=("one",), api_key_env=("NO_KEY",)),
    }
    names = {"house": NameConfig(targets=(NamedTarget(target="acme/small"),))}
    transport = httpx.MockTransport(lambda _request: httpx.Response(500))
    return Registry(Config(entries, names), lambda _names: None, transport)


async def at_once() -> None:
    """Nobody is waited for."""


@pytest.fixture
async def live(database: Database) -> LiveBook:
    return LiveBook(database)


@pytest.fixture
def desk(database: Database, live: LiveBook) -> SmartDesk:
    return SmartDesk(database, registry_of(), lambda: None, refresh=live.refresh, settled=at_once)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_added_shown_changed_and_deleted(desk: SmartDesk, live: LiveBook, kind: Kind) -> None:
    added = await desk.add(kind, {"name": " Fast:latest ", "tags": ["team:a"], **LEAST[kind]})
    assert (added.kind, added.model.name, added.model.tags) == (kind, "fast", ("team:a",))
    assert live.book.has("fast")
    assert (await desk.show(added.id)).model == (await desk.show("FAST", kind)).model == added.model

    changed = await desk.change(kind, "fast", {"description": "Quick."})
    assert (changed.id, changed.model.description, changed.model.tags) == (added.id, "Quick.", ("team:a",))
    anew = await desk.change(kind, added.id, {"name": "fast", **LEAST[kind]}, anew=True)
    assert (anew.model.description, anew.model.tags) == (None, ())

    await desk.delete(kind, "fast")
    assert not live.book.has("fast")
    with pytest.raises(NoSuchName, match=f"There is no {kind} 'fast'"):
        await desk.show("fast", kind)


async def test_audit_log_tells_of_each_change(desk: SmartDesk, database: Database) -> None:
    await desk.add("alias", {"name": "fast", "target": "acme/small"})
    await desk.change("alias", "fast", {"target": "acme/large"})
    with pytest.raises(InvalidName):
        await desk.change("alias", "fast", {"target": ""})
    document = {"aliases": [{"name": "slow", "target": "acme/small"}]}
    for _ in range(2):
        await apply_import(desk, await plan_import(desk, document, replace=True))
    await desk.delete("alias", "slow")

    deleted, imported, changed, added = await read_entries(database)
    assert (added.action, added.subject, added.before) == ("name.add", "alias fast", None)
    assert (changed.action, changed.before["target"], changed.after["target"]) == (
        "name.change",
        "acme/small",
        "acme/large",
    )
    assert (imported.action, imported.before, imported.after) == (
        "name.import",
        {"alias fast": {"name": "fast", "target": "acme/large"}},
        {"alias slow": {"name": "slow", "target": "acme/small"}},
    )
    assert (deleted.action, deleted.subject, deleted.after) == ("name.delete", "alias slow", None)


async def test_list_is_by_kind_and_by_owner(desk: SmartDesk) -> None:
    await desk.add("alias", {"name": "b", "owner_tags": ["team:a"], **LEAST["alias"]})
    await desk.add("alias", {"name": "a", **LEAST["alias"]})
    await desk.add("router", {"name": "r", "owner_tags": ["team:a"], **ROUTER})

    assert [each.model.name for each in await desk.list_all()] == ["r", "a", "b"]
    assert [each.model.name for each in await desk.list_all("alias")] == ["a", "b"]
    assert [each.model.name for each in await desk.list_all(owner_tag="team:a")] == ["r", "b"]


@pytest.mark.parametrize(
    ("kind", "name", "conflict"),
    [
        ("alias", "Taken", Conflict("router", "taken")),
        ("router", "taken:latest", Conflict("router", "taken")),
        ("redirect", "taken", Conflict("router", "taken")),
        ("redirect", "GPT-*", Conflict("redirect", "gpt-*")),
        ("cache", "HOUSE", Conflict("configuration", "house")),
        ("redirect", "house", Conflict("configuration", "house")),
        ("alias", "acme/SMALL", Conflict("model", "acme/small")),
        ("augmentor", "gpt-x", Conflict("model", "acme/gpt-x")),
    ],
)
async def test_name_that_is_taken_is_refused_with_what_has_it(
    desk: SmartDesk, kind: Kind, name: str, conflict: Conflict
) -> None:
    await desk.add("router", {"name": "taken", **ROUTER})
    await desk.add("redirect", {"name": "gpt-*", "target": "acme/small"})

    with pytest.raises(NameTaken) as refused:
        await desk.add(kind, {"name": name, **LEAST[kind]})

    assert refused.value.conflict == conflict
    assert repr(conflict.name) in str(refused.value)


async def test_redirect_may_be_called_as_a_real_model_is(desk: SmartDesk) -> None:
    added = await desk.add("redirect", {"name": "acme/large", "target": "acme/small"})

    assert added.model.name == "acme/large"


async def test_renaming_to_a_name_that_is_taken_is_refused(desk: SmartDesk) -> None:
    await desk.add("alias", {"name": "a", **LEAST["alias"]})
    await desk.add("router", {"name": "r", **ROUTER})

    with pytest.raises(NameTaken, match="router 'r'"):
        await desk.change("alias", "a", {"name": "r"})


async def test_of_two_who_add_the_same_name_at_once_one_is_refused(desk: SmartDesk) -> None:
    definition = {"name": "a", **LEAST["alias"]}

    results = await asyncio.gather(*(desk.add("alias", definition) for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(result, NameTaken) for result in results) == 3


async def test_import_is_not_done_where_somebody_changes_a_name_meanwhile(desk: SmartDesk) -> None:
    plan = await plan_import(desk, {"aliases": [{"name": "a", **LEAST["alias"]}, {"name": "b", **LEAST["alias"]}]})
    await desk.add("alias", {"name": "b", **LEAST["alias"]})

    with pytest.raises(PlanOutdated, match="look at it again"):
        await apply_import(desk, plan)

    assert [each.model.name for each in await desk.list_all()] == ["b"]


async def test_one_that_this_version_cannot_read_is_left_out_and_told(
    desk: SmartDesk, live: LiveBook, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.add("router", {"name": "auto", **ROUTER})
    await desk.add("alias", {"name": "fast", **LEAST["alias"]})
    async with database.begin() as connection:
        await connection.execute(text("UPDATE smart_routers SET strategy = 'sideways'"))
        await bump_revision(connection, "smart_models")

    await live.refresh()

    assert [entry.model.name for entry in live.book.entries] == ["fast"]
    assert "router 'auto'" in caplog.text
    assert "at fault: strategy" in caplog.text


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        ("alias", {"target": "acme/smal"}, "target: there is no model 'acme/smal'; did you mean 'small'"),
        ("alias", {"target": "locked/two"}, "target: there is no model 'locked/two'"),
        ("alias", {"target": "fsat"}, "target: there is no model 'fsat'; did you mean 'fast'"),
        ("alias", {"targt": "x"}, "targt: unknown key; did you mean 'target'?"),
        ("alias", {"target": None}, "target: must be a string, not null"),
        ("alias", {"tags": "x"}, "tags: must be a list, not a string"),
        ("alias", {"allowed_tokens": [None]}, "allowed_tokens[0]: must be a string, not null"),
        ("router", {"candidates": [5]}, "candidates[0]: must be an object, not a number"),
        ("alias", {"name": "a*"}, "name: only the pattern of a redirect may hold any of"),
        ("alias", {"fallback": "default"}, "fallback: there is no default model: set DEFAULT_MODEL"),
        ("alias", {"fallback": "other"}, "fallback: must be 'error' or 'default'"),
        ("alias", {"allowed_tokens": ["Ab3dEf9h", "nobody99"]}, "allowed_tokens: there is no token with the id 'nobody99'"),
        ("alias", {"description": "a\0b"}, "description: holds a character that is none (NUL)"),
        ("alias", {"description": "\ud800"}, "description: holds text that is not Unicode"),
        ("alias", {"description": "x" * 2001}, "description: must have at most 2000 characters"),
        ("router", {"candidates": [{"model": "acme/small"}]}, "candidates: must have at least 2, not 1"),
        ("router", {"rules": [{"model": "acme/small", "min_tokens": 10**30}]}, "rules[0].min_tokens: must be at most 100000000"),
        ("cache", {"time_budget_ms": 10**30}, "time_budget_ms: must be at most 3600000"),
        ("redirect", {"target": "x/*"}, "a * in the target needs one * in the pattern"),
        ("router", {"candidates": [{"model": "acme/small"}, {"model": "nope"}]}, "candidates[1].model: there is no model"),
        ("router", {"candidates": [{"model": "a", "note": "x"}]}, "candidates[0].note: unknown key; did you mean 'notes'?"),
        ("router", {"fallback_model": "acme/huge"}, "fallback_model: there is no model 'acme/huge'"),
        ("router", {"designator_model": "fast"}, "designator_model: 'fast' is the alias 'fast'; a helper is a provider's model"),
        ("router", {"designator_model": "acme/pick"}, "designator_model: there is no model 'acme/pick'"),
        ("router", {"strategy": "rules", "rules": [{"model": "acme/small", "tokens": 1}]}, "rules[0].tokens: unknown key"),
        ("cache", {"judge_model": "fast"}, "judge_model: 'fast' is the alias 'fast'"),
        ("cache", {"embedder": "acme/embd"}, "embedder: there is no model 'acme/embd'"),
        ("cache", {"embedder": "fast"}, "embedder: 'fast' is the alias 'fast'"),
        ("augmentor", {"target_model": "gone"}, "target_model: there is no model 'gone'"),
    ],
)  # fmt: skip
async def test_definition_with_a_fault_is_refused_by_the_name_of_the_field(
    desk: SmartDesk, kind: Kind, fields: dict[str, Any], line: str
) -> None:
    await insert_tokens(desk.db, [StoredToken("Ab3dEf9h", b"d", "ann", 1, 1)])
    await desk.add("alias", {"name": "fast", **LEAST["alias"]})

    with pytest.raises(InvalidName) as refused:
        await desk.add(kind, {"name": "new", **LEAST[kind]} | fields)

    assert line in str(refused.value)
    assert [each.model.name for each in await desk.list_all()] == ["fast"]


@pytest.mark.parametrize("written", [None, [], "x", b"{}"])
async def test_what_is_no_object_is_refused(desk: SmartDesk, written: Any) -> None:
    await desk.add("alias", {"name": "fast", **LEAST["alias"]})

    for refused in (desk.add("alias", written), desk.change("alias", "fast", written)):
        with pytest.raises(InvalidName, match="must be an object"):
            await refused


async def test_all_faults_are_told_at_once(desk: SmartDesk) -> None:
    with pytest.raises(InvalidName) as refused:
        await desk.add("alias", {"name": "a", "target": "gone", "fallback": "default", "allowed_tokens": ["x"]})

    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "target",
        "fallback",
        "allowed_tokens",
    ]
    assert refused.value.param == "target"


@pytest.mark.parametrize("target", ["open/whatever", "locked/ONE", "house", "Vendor/odd-one", "acme-large:latest"])
async def test_what_may_well_be_there_is_accepted(desk: SmartDesk, target: str) -> None:
    added = await desk.add("alias", {"name": "a", "target": target, "allowed_tokens": ["user:ann"]})

    assert added.model.targets == (target,)


async def test_local_embedder_that_is_not_installed_is_refused_with_what_would_help(
    desk: SmartDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_LOCAL_MODULES", ("no_such_module_here",))

    with pytest.raises(InvalidName, match=r"pip install 'llm-relay\[local\]'.*--embedder none"):
        await desk.add("cache", {"name": "c", "target_model": "acme/small"})

    exact = await desk.add("cache", {"name": "c", "target_model": "acme/small", "embedder": None})
    assert isinstance(exact.model, Cache)
    assert exact.model.embedder is None


async def test_local_embedder_is_accepted_where_it_is_installed(
    desk: SmartDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_LOCAL_MODULES", ("json", "asyncio"))

    await desk.add("cache", {"name": "c", "target_model": "acme/small"})


@pytest.mark.parametrize(
    ("kind", "fields", "chain"),
    [
        ("alias", {"target": "b"}, "a > b > router:c > a"),
        ("redirect", {"target": "c"}, "redirect:a > router:c > redirect:a"),
        ("cache", {"target_model": "b"}, "cache:a > b > router:c > cache:a"),
        ("router", {"candidates": [{"model": "acme/small"}, {"model": "b"}]}, "router:a > b > router:c > router:a"),
    ],
)
async def test_definition_that_closes_a_circle_is_refused_with_the_chain(
    desk: SmartDesk, kind: Kind, fields: dict[str, Any], chain: str
) -> None:
    candidates = [{"model": "acme/small"}, {"model": "a"}]
    await put_smart_models(
        desk.db, [make_smart("alias", "b", target="c"), make_smart("router", "c", candidates=candidates)]
    )

    with pytest.raises(InvalidName) as refused:
        await desk.add(kind, {"name": "a", **LEAST[kind]} | fields)

    assert chain in str(refused.value)


async def test_pattern_that_leads_back_to_itself_is_refused(desk: SmartDesk) -> None:
    with pytest.raises(InvalidName, match=r"target: leads in a circle: redirect:x-\* > redirect:x-\*"):
        await desk.add("redirect", {"name": "x-*", "target": "x-y-*"})

    await desk.add("redirect", {"name": "gpt*", "target": "gpt-x"})  # what it fits itself is passed over


async def test_helper_may_be_a_model_whose_name_a_pattern_fits_as_it_goes_by_none(desk: SmartDesk) -> None:
    await desk.add("redirect", {"name": "*", "target": "acme/small"})

    assert await desk.add("router", {"name": "auto", **ROUTER})
    with pytest.raises(InvalidName, match=r"'acme/nobody' is the redirect '\*'"):
        await desk.add("router", {"name": "b", **ROUTER, "designator_model": "acme/nobody"})


async def test_what_is_wrong_already_hinders_no_other_change(desk: SmartDesk) -> None:
    await put_smart_models(desk.db, [make_smart("alias", "a", target="acme/gone")])

    changed = await desk.change("alias", "a", {"enabled": False})

    assert not changed.model.enabled
    with pytest.raises(InvalidName, match="acme/gone2"):
        await desk.change("alias", "a", {"target": "acme/gone2"})


async def test_broken_ones_are_found_with_what_is_wrong(desk: SmartDesk) -> None:
    await put_smart_models(desk.db, [make_smart("alias", "a", target="acme/gone"), make_smart("alias", "b")])

    broken = await desk.find_broken()

    assert [(each.model.name, [fault.field for fault in faults]) for each, faults in broken] == [("a", ["target"])]


async def everything(desk: SmartDesk) -> None:
    """One of each kind, with what nests."""
    rule = {"model": "acme/small", "images": False, "after": "09:30:00", "pattern": "(?i)quick"}
    await desk.add("router", {"name": "z", **ROUTER, "strategy": "rules", "rules": [rule], "max_quality_loss": 2.5})
    await desk.add("router", {"name": "auto", **ROUTER, "owner_tags": ["team:a"]})
    await desk.add("alias", {"name": "fast", "target": "z", "description": "Schnell – ü"})
    await desk.add("redirect", {"name": "gpt-*", "target": "acme/*"})
    await desk.add("cache", {"name": "c", **LEAST["cache"], "embedder": None})
    await desk.add("augmentor", {"name": "web", **LEAST["augmentor"], "enabled": False})


async def test_export_is_sorted_holds_no_ids_and_comes_back_just_so(desk: SmartDesk) -> None:
    await everything(desk)
    await add_to_stats(desk.db, "cache", {((await desk.show("c")).id, 0): {"cache_hits": 3}})
    exported = export_names(await desk.list_all())
    text = dumps(exported)

    plan = await plan_import(desk, loads(text), replace=True)
    assert plan.is_empty
    assert plan.unchanged == 6
    for each in await desk.list_all():
        await desk.delete(each.kind, each.id)
    await apply_import(desk, await plan_import(desk, loads(text)))

    assert dumps(export_names(await desk.list_all())) == text
    assert list(exported) == ["redirects", "routers", "caches", "augmentors", "aliases"]
    assert [each["name"] for each in exported["routers"]] == ["auto", "z"]
    assert exported["aliases"] == [{"name": "fast", "description": "Schnell – ü", "target": "z"}]
    assert exported["caches"] == [{"name": "c", "target_model": "acme/small", "embedder": None}]


async def test_import_adds_changes_and_deletes_only_where_it_is_to_replace(desk: SmartDesk, live: LiveBook) -> None:
    await everything(desk)
    document = {
        "aliases": [{"name": "fast", "target": "acme/small", "tags": ["x"]}, {"name": "new", "target": "fast"}],
        "routers": [{"name": "auto", **ROUTER, "owner_tags": ["team:a"]}],
    }

    adding = await plan_import(desk, document)
    plan = await plan_import(desk, document, replace=True)

    assert ([model.name for model in adding.added], adding.deleted, adding.unchanged) == (["new"], (), 1)
    assert [(change.model.name, set(change.fields)) for change in plan.changed] == [
        ("fast", {"target", "tags", "description"})
    ]
    assert {each.model.name for each in plan.deleted} == {"z", "gpt-*", "c", "web"}
    await apply_import(desk, plan)
    assert {entry.model.name for entry in live.book.entries} == {"auto", "fast", "new"}


async def test_name_can_become_another_kind_by_an_import_that_replaces(desk: SmartDesk) -> None:
    await desk.add("alias", {"name": "auto", **LEAST["alias"]})
    document = {"routers": [{"name": "auto", **ROUTER}]}

    with pytest.raises(NameTaken, match="alias 'auto'"):
        await plan_import(desk, document)
    await apply_import(desk, await plan_import(desk, document, replace=True))

    assert [(each.kind, each.model.name) for each in await desk.list_all()] == [("router", "auto")]


async def test_what_lies_elsewhere_is_a_warning_to_an_import(desk: SmartDesk) -> None:
    document = {
        "aliases": [{"name": "a", "target": "acme/gone", "fallback": "default", "allowed_tokens": ["nobody99"]}]
    }

    plan = await plan_import(desk, document)

    assert [line.split(":")[:2] for line in plan.warnings] == [
        ["alias a", " target"],
        ["alias a", " fallback"],
        ["alias a", " allowed_tokens"],
    ]
    assert len(plan.added) == 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], ["must be an object of lists: aliases"]),
        ({"alias": []}, ["alias: unknown key; did you mean 'aliases'?"]),
        ({"aliases": {}}, ["aliases: must be a list"]),
        ({"aliases": [{"name": "a"}, {"target": "x"}]}, ["aliases[0].target: is missing", "aliases[1].name: is missing"]),
        ({"routers": [ROUTER | {"name": "r", "candidates": [{}, {"model": "b"}]}]}, ["routers[0].candidates[0].model: is missing"]),
        ({"aliases": [{"name": "a", "target": "b"}, {"name": "A", "target": "c"}]}, ["aliases[1].name: 'a' stands there twice"]),
        ({"aliases": [{"name": "a", "target": "b"}, {"name": "b", "target": "a"}]}, ["alias a: target: leads in a circle: a > b > a"]),
        ({"aliases": [{"name": "a", "target": "b"}], "routers": [ROUTER | {"name": "r", "designator_model": "a"}]},
         ["router r: designator_model: 'a' is the alias 'a'"]),
    ],
)  # fmt: skip
async def test_import_that_cannot_be_names_each_place(desk: SmartDesk, document: Any, words: Sequence[str]) -> None:
    with pytest.raises(InvalidName) as refused:
        await plan_import(desk, document)

    for line in words:
        assert line in str(refused.value)
    assert await desk.list_all() == []


async def test_row_that_holds_no_json_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/relay.db")  # PostgreSQL takes no such row
    await upgrade(database)
    live = LiveBook(database)
    desk = SmartDesk(database, registry_of(), lambda: None, refresh=live.refresh, settled=at_once)
    await desk.add("alias", {"name": "fine", "target": "acme/small"})
    await desk.add("alias", {"name": "odd", "target": "acme/small"})
    async with database.begin() as connection:
        await connection.execute(text("UPDATE aliases SET tags = '[a' WHERE name = 'odd'"))
        await bump_revision(connection, SUBJECT)

    await live.refresh()

    assert (live.book.has("fine"), live.book.has("odd")) == (True, False)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE aliases SET tags = '[]', created_at = 'x' WHERE name = 'odd'"))
    assert [each.why for each in await desk.list_unreadable()] == [
        "a time, or what it has counted, is no number that can be"
    ]
    async with database.begin() as connection:
        await connection.execute(text("UPDATE aliases SET tags = '[a' WHERE name = 'odd'"))
    (odd,) = await desk.list_unreadable()
    assert (odd.kind, odd.name, odd.why) == ("alias", "odd", "a column of it holds what is no JSON")
    await desk.delete("alias", "odd")
    assert await desk.list_unreadable() == []
    await database.aclose()
