"""Providers in a browser: one is added, tried out, switched off, changed and deleted."""

import contextlib
import json
import sqlite3

from playwright.sync_api import expect

from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, running_standin


def test_provider_is_added_tested_switched_off_changed_and_deleted(viewer: Viewer) -> None:
    with running_standin() as standin:
        standin.models = Answer.json({"data": [{"id": "one"}, {"id": "two"}]})
        page = viewer.goto("/admin/providers")
        page.get_by_role("button", name="Add a provider").click()
        page.get_by_label("Key", exact=True).fill("workbench")
        page.get_by_label("Base URL").fill(standin.base_url)
        page.get_by_role("button", name="Add a header").click()
        page.get_by_label("Name of the header").fill("x-org")
        page.get_by_label("Value of the header").fill("planted-secret")
        page.get_by_label("Further settings").fill('{"retry": 2}')
        viewer.expect("400")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("retry: unknown key; did you mean 'retries'?").wait_for()
        assert viewer.violations() == []
        page.get_by_label("Further settings").fill('{"retries": 2}')
        page.get_by_role("button", name="Save").click()
        row = page.locator("tr[data-key=workbench]")

        row.get_by_role("button", name="Test").click()
        row.get_by_text("answers; 2 models").wait_for()
        row.get_by_role("link", name="2 models").wait_for()
        row.get_by_role("button", name="Disable").click()
        page.locator("#confirm").get_by_role("button", name="Disable").click()
        row.get_by_text("switched off").wait_for()
        row.get_by_role("button", name="Enable").click()
        row.get_by_text("ready", exact=True).wait_for()

        row.get_by_role("button", name="Edit").click()
        expect(page.get_by_label("Value of the header")).to_have_value("[redacted]")
        page.get_by_label("Name", exact=True).fill("The workbench")
        page.get_by_role("button", name="Save").click()
        row.get_by_text("The workbench").wait_for()
        with page.expect_response("**/workbench/test"):
            row.get_by_role("button", name="Test").click()
        assert standin.exchanges[-1].headers["x-org"] == "planted-secret"
        assert "planted-secret" not in page.content()

    row.get_by_role("button", name="Test").click()
    row.get_by_text("cannot be reached").wait_for()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    row.wait_for(state="detached")


def test_provider_of_the_file_is_switched_off_changed_and_taken_back(viewer: Viewer) -> None:
    page = viewer.goto("/admin/providers")
    page.get_by_label("Search").fill("sambanova")
    row = page.locator("tr[data-key=sambanova]")

    row.get_by_role("button", name="Disable").click()
    page.locator("#confirm").get_by_role("button", name="Disable").click()
    row.get_by_text("switched off").wait_for()
    row.get_by_role("button", name="Enable").click()
    row.get_by_text("ready", exact=True).wait_for()

    assert page.locator("tbody tr").count() == 1

    with running_standin() as standin:
        standin.models = Answer.json({"data": [{"id": "of-ours"}]})
        row.get_by_role("button", name="Edit").click()
        page.get_by_text("config.json defines this provider").wait_for()
        expect(page.get_by_label("Variable of its key")).to_have_value("SAMBANOVA_API_KEY")
        page.get_by_label("Base URL").fill(standin.base_url)
        page.get_by_label("Name", exact=True).fill("Samba of ours")
        page.get_by_text("Another host: say anew which variable").wait_for()
        expect(page.get_by_label("Variable of its key")).to_have_value("")
        assert viewer.violations() == []
        page.get_by_role("button", name="Save").click()
        row.get_by_text("changed here").wait_for()
        row.get_by_text("name, base_url, api_key_env").wait_for()
        row.get_by_role("button", name="Test").click()
        row.get_by_text("answers; 1 models").wait_for()
        assert all("authorization" not in each.headers for each in standin.exchanges)
    page.reload()
    row.get_by_text("Samba of ours").wait_for()
    row.get_by_role("button", name="Back to config.json").click()
    page.get_by_role("dialog").get_by_role("button", name="Back to config.json").click()
    row.get_by_text("changed here").wait_for(state="hidden")
    row.get_by_text("SAMBANOVA_API_KEY").wait_for()


def test_change_of_a_provider_that_the_file_has_no_more_can_only_be_forgotten(viewer: Viewer, gateway: Gateway) -> None:
    definition = json.dumps({"base_url": "http://127.0.0.1:1/v1"})
    with contextlib.closing(sqlite3.connect(gateway.database_path)) as database, database:
        database.execute("INSERT INTO changed_providers VALUES ('bygone', ?, 0)", [definition])
    page = viewer.goto("/admin/providers")
    row = page.locator("tr[data-key=bygone]")

    row.get_by_text("config.json, over which it was changed, has it no more").wait_for()
    row.get_by_text("was in config.json").wait_for()
    assert row.get_by_role("button").all_inner_texts() == ["Forget the change"]
    row.get_by_role("button", name="Forget the change").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget the change").click()

    page.get_by_text("The change of bygone is forgotten.").wait_for()
    row.wait_for(state="detached")
