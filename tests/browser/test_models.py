"""Models in a browser: found, changed, priced, added, and synced with what others know."""

import httpx

from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, Exchange, running_standin

PRICES = {
    "gpt-test-tiny": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
    },
    "gpt-test-small": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 3e-6,
        "max_input_tokens": 9000,
    },
}
OPENROUTER = {"data": [{"id": "openai/gpt-test-small", "description": "A small model that answers at once."}]}


def test_model_is_found_changed_reset_switched_off_and_priced(viewer: Viewer) -> None:
    page = viewer.goto("/admin/models?provider=openai")
    page.get_by_role("searchbox", name="Search").fill("TEST-LARGE")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/admin/models?q=TEST-LARGE&provider=openai")
    row = page.locator("tr[data-id='openai/gpt-test-large']")

    row.get_by_role("button", name="Edit").click()
    page.get_by_label("Context, in tokens").fill("7777")
    page.get_by_label("vision").check()
    page.get_by_role("textbox", name="Description").fill("<script>alert(1)</script> is what it says.")
    assert viewer.violations() == []
    page.get_by_role("button", name="Save", exact=True).click()
    row.get_by_text("7,777").wait_for()
    row.get_by_text("<script>alert(1)</script> is what it says.").wait_for()
    row.get_by_role("button", name="Edit").click()
    page.get_by_text("7,777 tokens says you").wait_for()
    page.get_by_role("button", name="Reset").click()
    page.locator("#confirm").get_by_role("button", name="Reset").click()
    row.get_by_text("7,777").wait_for(state="detached")

    row.get_by_role("button", name="Switch off").click()
    page.locator("#confirm").get_by_role("button", name="Switch off").click()
    row.get_by_text("switched off", exact=True).wait_for()
    row.get_by_role("button", name="Switch on").click()
    row.get_by_text("offered", exact=True).wait_for()

    row.get_by_role("button", name="Price").click()
    page.get_by_label("Input, USD a million tokens").fill("cheap")
    viewer.expect("400")
    page.get_by_role("button", name="Save the price").click()
    page.get_by_text("input: must be a number").wait_for()
    page.get_by_label("Input, USD a million tokens").fill("1.25")
    page.get_by_label("Further rates").fill("null")
    page.get_by_role("button", name="Save the price").click()
    page.get_by_text("This is no JSON object: must be an object").wait_for()
    page.get_by_label("Further rates").fill("")
    page.get_by_role("button", name="Save the price").click()
    row.get_by_text("$1.25").wait_for()
    row.get_by_role("button", name="Price").click()
    page.get_by_role("button", name="Remove your price").click()
    page.locator("#confirm").get_by_role("button", name="Remove").click()
    row.get_by_text("$1.25").wait_for(state="detached")


def test_model_that_its_provider_does_not_list_is_added(viewer: Viewer) -> None:
    page = viewer.goto("/admin/models?provider=xai")
    page.get_by_role("button", name="Add a model").click()
    page.get_by_label("Its name there").fill("grok/made-up")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.locator("tr[data-id='xai/grok/made-up']")
    row.get_by_text("added", exact=True).wait_for()
    row.get_by_role("button", name="Switch off").click()
    page.locator("#confirm").get_by_role("button", name="Switch off").click()
    row.get_by_text("switched off", exact=True).wait_for()
    row.get_by_role("button", name="Switch on").click()
    row.get_by_text("added", exact=True).wait_for()

    row.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Reset").click()
    page.locator("#confirm").get_by_role("button", name="Reset").click()

    row.wait_for(state="detached")


def test_prices_and_descriptions_are_taken_over_as_far_as_they_were_picked(viewer: Viewer, gateway: Gateway) -> None:
    def lists(exchange: Exchange) -> Answer:
        own = {"data": [{"id": "gpt-test-small"}, {"id": "gpt-test-tiny"}]}
        return Answer.json({"/prices.json": PRICES, "/openrouter": OPENROUTER}.get(exchange.path, own))

    with running_standin() as site:
        site.models = lists
        entry = {
            "base_url": f"{site.base_url}/v1",
            "prices": "openai",
            "supported_models": ["gpt-test-small", "gpt-test-tiny"],
        }
        headers = {"authorization": f"Bearer {gateway.add_token(admin=True)}"}
        path = f"{gateway.base_url}/admin/api/providers/summed"
        httpx.put(path, json=entry, headers=headers, trust_env=False).raise_for_status()
        page = viewer.goto("/admin/models?provider=summed")
        small, tiny = (page.locator(f"tr[data-id='summed/gpt-test-{size}']") for size in ("small", "tiny"))
        page.get_by_role("button", name="Sync prices").click()
        page.get_by_label("Address of the file").fill(f"{site.base_url}/prices.json")
        page.get_by_role("button", name="Look").click()
        page.get_by_label("price summed/gpt-test-tiny").uncheck()
        page.get_by_role("button", name="Take over 2 changes").click()
        small.get_by_text("$3").wait_for()
        small.get_by_text("9,000").wait_for()
        assert tiny.get_by_text("litellm").count() == 0

        page.get_by_role("button", name="Sync descriptions").click()
        page.get_by_label("Address of OpenRouter's list").fill(f"{site.base_url}/openrouter")
        page.get_by_role("button", name="Ask").click()
        page.get_by_role("button", name="Take over 1 description").click()

        small.get_by_text("A small model that answers at once.").wait_for()
        httpx.delete(path, headers=headers, trust_env=False).raise_for_status()
