"""The page of names in a browser: what can be made is made, changed and removed by clicking; and what one can look at."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.core.answers import write_completion
from app.core.chat import Text
from app.core.events import Completion
from app.core.usage import Usage
from app.metering.rows import insert_records
from app.store.vectors.embedded import FILE_NAME, EmbeddedCacheStore
from tests.browser.viewer import Viewer
from tests.calls import make_record
from tests.e2e.conftest import MODEL
from tests.e2e.gateway import Gateway
from tests.e2e.stored import in_database
from tests.store.vectors.entries import entry, turned

SMALL, LARGE = "openai/gpt-test-small", f"openai/{MODEL}"
FIELDS: dict[str, dict[str, str]] = {
    "alias": {"target": SMALL},
    "redirect": {"target": SMALL},
    "router": {"strategy": "cheapest", "fallback_model": SMALL},
    "cache": {"target_model": SMALL, "embedder": ""},
    "augmentor": {"target_model": SMALL, "mode": "never"},
}


def make(page: Page, plural: str, **definition: Any) -> None:
    """Have the gateway make one, which knows it at once."""
    csrf = page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    url = page.url.partition("/admin")[0]
    response = page.request.post(f"{url}/admin/api/{plural}", data=definition, headers={"x-csrf-token": csrf})
    assert response.status == 201, response.text()


def say(page: Page, name: str, value: str) -> None:
    """Fill a field of the form that is open."""
    field = page.locator(f"dialog[open] [name={name}]").first
    if field.evaluate("each => each.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)


def save(page: Page) -> None:
    page.locator("dialog[open]").get_by_role("button", name="Save").click()


@pytest.mark.parametrize("kind", FIELDS)
def test_each_kind_is_made_changed_switched_off_and_deleted(viewer: Viewer, kind: str) -> None:
    name = f"clicked-{kind}"
    page = viewer.goto(f"/admin/names?tab={kind}")

    page.get_by_role("button", name=f"New {kind}").click()
    say(page, "name", name)
    for label, value in FIELDS[kind].items():
        say(page, label, value)
    if kind == "router":
        for number, model in enumerate((SMALL, LARGE), 1):
            page.get_by_role("button", name="Add to Candidates").click()
            page.get_by_role("group", name=f"Candidates {number}").get_by_label("Model").fill(model)
    save(page)
    page.get_by_label(f"Edit {name}").click()
    say(page, "description", "The <script>quick</script> one")
    assert viewer.violations() == []
    save(page)
    page.get_by_text("The <script>quick</script> one").wait_for()
    page.get_by_label(f"Disable {name}").click()
    page.locator("#confirm").get_by_role("button", name="Disable").click()
    page.get_by_label(f"Enable {name}").wait_for()
    page.get_by_label(f"Delete {name}").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()

    page.get_by_text(f"Deleted {name}.").wait_for()
    page.get_by_label(f"Delete {name}").wait_for(state="detached")


def test_faults_stand_at_their_fields_while_one_types(viewer: Viewer) -> None:
    page = viewer.goto("/admin/names?tab=router")
    make(page, "aliases", name="typed-taken", target=SMALL)

    page.get_by_role("button", name="New router").click()
    say(page, "name", "typed-taken")
    page.get_by_role("button", name="Add to Candidates").click()
    page.get_by_role("group", name="Candidates 1").get_by_label("Model").fill("nobody/knows-this")
    say(page, "fallback_model", SMALL)

    page.get_by_text("Must have at least 2, not 1").wait_for()
    page.get_by_role("button", name="Add to Candidates").click()
    page.get_by_role("group", name="Candidates 2").get_by_label("Model").fill(SMALL)
    say(page, "strategy", "cheapest")
    page.get_by_text("The name is taken: it is that of the alias 'typed-taken'.").wait_for()
    say(page, "name", "typed-free")
    page.get_by_role("group", name="Candidates 1").get_by_text("There is no model 'nobody/knows-this'").wait_for()


def test_fault_in_a_fold_is_shown_when_one_saves(viewer: Viewer) -> None:
    page = viewer.goto("/admin/names?tab=augmentor")
    page.get_by_role("button", name="New augmentor").click()
    say(page, "name", "folded-fault")
    say(page, "target_model", SMALL)
    say(page, "mode", "never")
    fold = page.locator("dialog[open] details", has_text="Advanced")
    fold.locator("summary").click()
    say(page, "max_search_results", "1000000")
    fold.locator("summary").click()
    expect(fold.locator("[name=max_search_results]")).to_be_hidden()

    save(page)

    expect(fold.locator("[name=max_search_results]")).to_be_focused()
    expect(fold.locator(".fault:visible")).to_have_count(1)


def test_way_of_a_request_is_explained(viewer: Viewer) -> None:
    rules = [{"model": LARGE, "pattern": "(?i)difficult"}, {"model": SMALL}]
    candidates = [{"model": SMALL}, {"model": LARGE}]
    page = viewer.goto("/admin/names?tab=alias")
    router = {"strategy": "rules", "rules": rules, "candidates": candidates, "fallback_model": SMALL}
    make(page, "routers", name="told-router", **router)
    make(page, "aliases", name="told", target="told-router")
    viewer.goto("/admin/names?tab=alias&search=told")

    page.get_by_label("Explain told").click()
    page.get_by_text(f"told>router:told-router>{SMALL}").wait_for()
    page.get_by_label("Message").fill("A difficult question")
    page.get_by_role("button", name="Explain", exact=True).click()

    page.get_by_text(f"told>router:told-router>{LARGE}").wait_for()
    assert viewer.violations() == []


def in_store(gateway: Gateway, work: Callable[[EmbeddedCacheStore], Awaitable[None]]) -> None:
    """What the caches of a gateway keep, from outside."""

    async def do() -> None:
        store = EmbeddedCacheStore(gateway.data_dir / FILE_NAME)
        try:
            await work(store)
        finally:
            await store.aclose()

    with ThreadPoolExecutor(1) as outside_of_any_loop:
        outside_of_any_loop.submit(asyncio.run, do()).result()


def test_what_a_cache_keeps_is_searched_compared_forgotten_and_cleared(viewer: Viewer, gateway: Gateway) -> None:
    page = viewer.goto("/admin/names")
    make(page, "caches", name="kept", target_model=SMALL, embedder="openai/embedding-test")
    viewer.goto("/admin/names?tab=cache")
    page.get_by_label("What kept keeps").click()
    page.get_by_text("Nothing is kept").wait_for()
    collection = page.locator("p", has_text="Collection").locator("code").inner_text()
    said = Completion(None, None, None, (Text("Paris <b>it is</b>"),), (), "stop", Usage())

    async def fill(store: EmbeddedCacheStore) -> None:
        for degrees, question in enumerate(["How high is it?", "How high is that?", "Where is Bern?"]):
            await store.put(collection, replace(entry(question, turned(degrees)), answer=write_completion(said)))

    in_store(gateway, fill)
    page = viewer.goto(page.url.removeprefix(gateway.base_url))
    page.get_by_label("Search questions").fill("HOW HIGH")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("Where is Bern?").wait_for(state="detached")
    page.get_by_text("Show", exact=True).first.click()
    page.get_by_text("Paris <b>it is</b>").first.wait_for()
    assert viewer.violations() == []

    page.get_by_role("tab", name="Similar questions").click()
    page.get_by_role("button", name="Keep apart").first.click()
    page.get_by_text("kept apart", exact=True).wait_for()
    assert viewer.violations() == []

    page.get_by_role("tab", name="Answers").click()
    page.get_by_role("button", name="Forget").first.click()
    page.locator("#confirm").get_by_role("button", name="Forget").click()
    page.get_by_text("Forgotten.").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.locator("#confirm").get_by_role("button", name="Clear").click()
    page.get_by_text("Forgot 2 answers.").wait_for()

    page = viewer.goto("/admin/audit?action=cache.clear")
    expect(page.get_by_role("cell", name="cache kept")).to_have_count(2)  # begun, and done


def test_router_is_replayed_with_a_changed_definition(viewer: Viewer, gateway: Gateway) -> None:
    record = make_record(
        id="req_replayed",
        router="replayed",
        provider="openai",
        model=MODEL,
        usage=Usage(input=1000),
        cost=Decimal(1),
        received_at=time.time(),
    )
    in_database(gateway.database_url, lambda database: insert_records(database, [record]))
    page = viewer.goto("/admin/names")
    candidates = [{"model": SMALL}, {"model": LARGE}]
    router = {"strategy": "rules", "rules": [{"model": LARGE}], "candidates": candidates, "fallback_model": SMALL}
    make(page, "routers", name="replayed", **router)
    viewer.goto("/admin/names?tab=router")

    page.get_by_label("Edit replayed").click()
    page.get_by_role("group", name="Rules 1").get_by_label("Model").fill(SMALL)
    page.get_by_role("button", name="Try on past calls").click()
    page.get_by_role("button", name="Replay", exact=True).click()

    page.get_by_role("link", name="req_replayed").wait_for()
    page.get_by_role("region", name="Chosen").get_by_role("cell", name=SMALL).wait_for()
    assert viewer.violations() == []


def test_names_are_carried_out_and_in_with_a_look_before(viewer: Viewer) -> None:
    page = viewer.goto("/admin/names")
    make(page, "aliases", name="carried", target=SMALL)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert "carried" in download.value.path().read_text()

    page.get_by_role("button", name="Import").first.click()
    written = (
        f'{{"aliases": [{{"name": "carried", "target": "{LARGE}"}}, {{"name": "carried-in", "target": "carried"}}]}}'
    )
    page.get_by_label("Or the document itself").fill(written)
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_text(f'"{SMALL}" → "{LARGE}"').wait_for()
    assert viewer.violations() == []
    page.locator("dialog[open]").get_by_role("button", name="Import").click()

    page.get_by_label("Edit carried-in").wait_for()
