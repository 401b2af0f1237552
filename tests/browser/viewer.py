"""A person before the dashboard: a page of a browser that notes whatever no page of ours may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.e2e.gateway import Gateway

PASSWORD = "correct horse battery"
COOKIE = "llm_relay_session"
WIDE, NARROW, NARROWEST = 1440, 390, 360

_AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_ANSWER_MS = 20_000


@dataclass
class Offences:
    """What a page did that it must not.

    Attributes:
        expected: parts of texts on the console that a test means to see, such as of an answer with an error's status.
    """

    host: str
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing was written to the console as an error, and nobody but the gateway was asked."""
        unexpected = [text for text in self.console if not any(part in text for part in self.expected)]
        assert (unexpected, self.elsewhere) == ([], [])

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(f"{message.text} ({message.location.get('url', '')})")

    def see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != self.host:
            self.elsewhere.append(request.url)


@dataclass
class Viewer:
    """A page, and what it did that it must not; `goto` opens one of the dashboard's."""

    page: Page
    offences: Offences
    base_url: str

    def goto(self, path: str = "/admin") -> Page:
        """Open a page and wait until it has what it shows."""
        self.page.goto(f"{self.base_url}{path}")
        # Not by a function to wait for: what is looked at again and again is an eval, which the page's policy forbids.
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0, timeout=_ANSWER_MS)
        return self.page

    def expect(self, *texts: str) -> None:
        """The console may tell of these: browsers write each answer with an error's status there."""
        self.offences.expected += texts

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds against accessibility, each with the places; against all of its rules, or against these."""
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found: dict[str, Any] = self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


@contextmanager
def viewing(
    browser: Browser,
    gateway: Gateway,
    cookie: str | None,
    *,
    width: int = WIDE,
    theme: Literal["light", "dark"] = "light",
    zone: str = "Europe/Zurich",
) -> Iterator[Viewer]:
    """A browser's window, logged in where a cookie is given; in the end nothing has been done that must not."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, timezone_id=zone, reduced_motion="reduce"
    )
    context.set_default_timeout(_ANSWER_MS)
    expect.set_options(timeout=_ANSWER_MS)
    if cookie is not None:
        context.add_cookies([{"name": COOKIE, "value": cookie, "url": f"{gateway.base_url}/admin"}])
    page = context.new_page()
    offences = Offences(urlsplit(gateway.base_url).netloc)
    page.on("console", offences.hear)
    page.on("pageerror", lambda error: offences.console.append(str(error)))
    context.on("request", offences.see)
    try:
        yield Viewer(page, offences, gateway.base_url)
        offences.check()
    finally:
        context.close()


def log_in(gateway: Gateway, name: str = "admin", password: str = PASSWORD) -> str:
    """The cookie of a login; five a minute are allowed from one address."""
    response = httpx.post(
        f"{gateway.base_url}/admin/api/login", json={"name": name, "password": password}, trust_env=False, timeout=60
    )
    response.raise_for_status()
    return response.cookies[COOKIE]
