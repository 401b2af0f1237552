"""Local servers in a browser: a stand-in by Ollama's API is added, looked at, and filled with models."""

from playwright.sync_api import Dialog

from tests.browser.viewer import Viewer
from tests.e2e.standin import running_standin
from tests.ollama_server import Ollama


def test_server_is_added_gets_a_model_loses_one_and_is_removed(viewer: Viewer) -> None:
    with running_standin() as standin:
        ollama = Ollama(standin, "llama3.2:3b", "old:1b")
        page = viewer.goto("/admin/ollama")
        page.get_by_role("button", name="Add a server").click()
        page.get_by_label("Key", exact=True).fill("workshop")
        page.get_by_label("Base URL").fill(standin.base_url)
        page.get_by_role("button", name="Save").click()
        server = page.locator("section[data-key=workshop]")
        server.get_by_text("Ollama 0.12.3").wait_for()
        server.get_by_text("2 models, 8.0 GB").wait_for()

        server.get_by_label("Pull a model").fill("new:7b")
        server.get_by_role("button", name="Pull").click()
        page.get_by_text("new:7b is there").wait_for()
        server.locator("tr[data-model='new:7b']").wait_for()

        ollama.holds.set()
        server.get_by_label("Pull a model").fill("slow:7b")
        server.get_by_role("button", name="Pull").click()
        server.get_by_text("25 % 1.0 GB of 4.0 GB").wait_for()
        server.get_by_text("only while this page is open").wait_for()
        asked: list[str] = []

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.dismiss()

        page.once("dialog", stay)
        page.get_by_role("link", name="Usage").click(no_wait_after=True)
        pull = next(each for each in standin.posts if each.json["model"] == "slow:7b")
        server.get_by_role("button", name="Stop").click()
        server.get_by_text("Stopped.").wait_for()
        assert pull.wait_until_left()
        assert asked == ["beforeunload"]

        viewer.expect("502")
        server.get_by_label("Pull a model").fill("unheard-of")
        server.get_by_role("button", name="Pull").click()
        server.get_by_text("file does not exist").wait_for()

        server.locator("tr[data-model='old:1b']").get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        server.locator("tr[data-model='old:1b']").wait_for(state="detached")
        assert ollama.names == ["llama3.2:3b", "new:7b"]
        assert viewer.violations() == []

    viewer.expect("503")
    server.get_by_role("button", name="Refresh").click()
    server.get_by_text("cannot be reached").wait_for()
    server.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    server.wait_for(state="detached")
