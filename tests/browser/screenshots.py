"""Pictures of every page for the documents: `python -m tests.browser.screenshots [PAGE …]`, which `make screenshots` runs.

Each is taken wide and light (`PAGE.png`), wide and dark (`PAGE-dark.png`) and on a telephone (`PAGE-narrow.png`), of a gateway with
the sample's data.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, Page

from app.dashboard.pages import PAGES
from tests.browser.chromium import running_chromium
from tests.browser.png import shrink
from tests.browser.sample import MODELS, fill_gateway
from tests.browser.viewer import COOKIE, NARROW, PASSWORD, WIDE, log_in, viewing
from tests.e2e.chat import words
from tests.e2e.conftest import PROVIDER_KEYS, providers_at
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import StandIn, running_standin
from tests.monitor_rows import SECRET
from tests.parallel_server import running_parallel

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LOOKS: Sequence[tuple[str, int, Literal["light", "dark"]]] = (
    ("", WIDE, "light"),
    ("-dark", WIDE, "dark"),
    ("-narrow", NARROW, "light"),
)
PUBLIC = {
    "landing": "/",
    "login": "/admin/login",
    "create-monitor": "/create-monitor",
    "payment": "/payment/success",
    "docs": "/docs",
}
"""Pages that need no login, by the names of their pictures."""
FIRST_VISIT = "first-visit"
QUESTION = "What is the capital of Slovenia?"
ANSWER = ("Ljubljana is", " the capital", " of Slovenia,", " and its largest city.")

_DRAWN_MS = 400  # charts are drawn after the numbers are there
_HIGHEST = 2600


def paths(call_id: str) -> dict[str, str]:
    """All pages by the names of their pictures; of those with an id in the path, one that is there."""
    return {page.key: f"/admin{page.path.replace('{id}', call_id)}" for page in PAGES}


@contextmanager
def running_sample() -> Iterator[Gateway]:
    """A gateway with the sample's data, providers that answer, and a Parallel."""
    with tempfile.TemporaryDirectory() as folder, running_standin() as provider, running_parallel() as parallel:
        provider.answer = words(*ANSWER)
        of_monitors = {
            "MONITOR_WEBHOOK_URL": "https://relay.example/webhooks/parallel-monitor",
            "PARALLELAI_API_KEY": parallel.key,
            "PARALLEL_BASE_URL": parallel.base_url,
            "PARALLEL_WEBHOOK_SECRET": SECRET,
        }
        environ = PROVIDER_KEYS | {"ADMIN_PASSWORD": PASSWORD, "DOCS_ENABLED": "true"} | of_monitors
        gateway = Gateway(Path(folder), _providers(provider), environ)
        fill_gateway(gateway, watched=str(parallel.add()["monitor_id"]))
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()


def _providers(provider: StandIn) -> dict[str, Any]:
    """All that keys are for, and those of the sample's calls at the prices of their namesakes."""
    config = providers_at(provider)
    for key, model, *_ in MODELS:
        entry = config.setdefault(key, {"base_url": f"{provider.base_url}/{key}/v1", "supported_models": []})
        entry["prices"] = "free" if key == "ollama" else key
        entry["supported_models"] = [*entry["supported_models"], model]
    return config


def take(browser: Browser, gateway: Gateway, cookie: str | None, name: str, path: str) -> int:
    """All pictures of a page, with the cookie of a login where there is one; how many bytes they have."""
    size = 0
    for suffix, width, theme in LOOKS:
        with viewing(browser, gateway, cookie, width=width, theme=theme) as viewer:
            page = viewer.goto(path)
            if name == "playground":
                _talk(page)
            page.wait_for_timeout(_DRAWN_MS)
            height = min(_HIGHEST, max(900, int(page.evaluate("document.documentElement.scrollHeight"))))
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(_DRAWN_MS)
            picture = shrink(page.screenshot())
            (FOLDER / f"{name}{suffix}.png").write_bytes(picture)
            size += len(picture)
    print(f"{name}: {size / 1000:.0f} kB", flush=True)  # noqa: T201 - of a command
    return size


def _talk(page: Page) -> None:
    page.get_by_role("textbox", name="Message").fill(QUESTION)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_label("Turns").get_by_text("".join(ANSWER)).wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()


def _monitor(gateway: Gateway, cookie: str) -> str:
    """The one that found something."""
    url = f"{gateway.base_url}/admin/api/monitors?status=active"
    found = httpx.get(url, cookies={COOKIE: cookie}, trust_env=False, timeout=60).raise_for_status().json()
    return str(found["monitors"][0]["id"])


def main(wanted: Sequence[str]) -> None:
    """Those of `wanted`, or of all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_sample() as gateway, running_chromium() as browser, tempfile.TemporaryDirectory() as folder:
        cookie = log_in(gateway)
        rows = reversed(gateway.rows())
        call = next(row["id"] for row in rows if row["router"] and row["provider"] == "anthropic")
        details = {
            "playground": f"/admin/playground?model={'/'.join(MODELS[0][:2])}",
            "monitor": f"/admin/monitors?monitor={_monitor(gateway, cookie)}",
        }
        total = 0
        for name, path in (PUBLIC | paths(call) | details).items():
            if not wanted or name in wanted:
                total += take(browser, gateway, None if name in PUBLIC else cookie, name, path)
        if not wanted or FIRST_VISIT in wanted:
            with running_gateway(Path(folder)) as fresh:
                total += take(browser, fresh, None, FIRST_VISIT, "/admin")
    print(f"{total / 1e6:.1f} MB in {FOLDER}")  # noqa: T201 - of a command


if __name__ == "__main__":
    main(sys.argv[1:])
