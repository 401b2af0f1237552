"""Pages from real servers: good ones, and all that strangers' servers may do instead."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app import __version__
from app.core.web import Page, PageFailure, Wanted
from app.web.page import MOST_BYTES, MOST_OF_A_HOST, Pages
from app.web.readers import Readers
from tests.providers.transport.servers import Peer
from tests.web.conftest import Sentinel
from tests.web.pdfs import make_pdf
from tests.web.sites import Route, answer, never, pages_of, redirect, running_site
from tests.web.test_parse import ARTICLE, STORY

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAR_S = 30.0


class Lasting(Readers):
    """Processes that the pages of one test leave to those of the next: each takes half a second to start."""

    async def aclose(self) -> None:
        """Nothing, until `end`."""

    async def end(self) -> None:
        await super().aclose()


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="module")
async def _readers() -> AsyncIterator[None]:
    lasting = Lasting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.web.page.Readers", lambda: lasting)
        yield
    await lasting.end()


async def fetch(pages: Pages, *urls: str, by_user: bool = False, seconds: float = FAR_S) -> list[Any]:
    return list(await pages.fetch([Wanted(url, by_user) for url in urls], time.monotonic() + seconds))


async def fetch_one(routes: dict[str, Route], path: str = "/", **options: Any) -> Any:
    async with running_site(routes) as site, pages_of(site) as pages:
        return (await fetch(pages, site.url(path), **options))[0]


async def test_article_is_fetched_with_its_title_date_and_address() -> None:
    async with running_site({"/a": answer(ARTICLE)}) as site, pages_of(site) as pages:
        [page] = await fetch(pages, site.url("/a"))

    assert isinstance(page, Page)
    assert STORY.strip() in page.text
    assert (page.date, page.url, page.asked) == ("2024-03-02", site.url("/a"), site.url("/a"))
    assert "bridge" in page.title


async def test_we_say_who_we_are_and_bring_no_cookies_or_keys() -> None:
    async with (
        running_site({"/a": answer("<p>hello</p>", "text/html", "Set-Cookie: a=b")}) as site,
        pages_of(site) as pages,
    ):
        await fetch(pages, site.url("/a"), site.url("/b"))

    heads = b"".join(site.heads).lower()
    assert heads.count(f"user-agent: llm-relay/{__version__}\r\n".encode()) == len(site.heads) == 3
    assert b"cookie:" not in heads
    assert b"authorization" not in heads


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (make_pdf("A page of paper"), "application/pdf", "A page of paper"),
        (make_pdf("A page of paper"), "application/octet-stream", "A page of paper"),
        (b"plain words", "text/plain", "plain words"),
        (b"plain words", "", "plain words"),
        (b"<p>marked words", "", "marked words"),
        ("schön".encode("cp1252"), "text/plain; charset=utf-8", "schön"),
        ("schön".encode("cp1252"), "text/plain; a=b ; Charset = 'Windows-1252'", "schön"),
        ("слово".encode("koi8_r"), 'text/plain;charset="KOI8-R"', "слово"),
        # Which is where a reader of mail's headers looks at each semicolon as often as there are semicolons.
        ("слово".encode("koi8_r"), 'text/plain;"' + ";" * 60_000 + ";charset=koi8-r", "слово"),
    ],
)
async def test_kinds_of_pages_that_are_read(body: bytes, kind: str, text: str) -> None:
    page = await fetch_one({"/": answer(body, kind)})

    assert isinstance(page, Page)
    assert page.text == text


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/zip", "video/mp4"])
async def test_other_kinds_are_not_read(kind: str) -> None:
    failure = await fetch_one({"/": answer(b"\x89PNG\0\0", kind)})

    assert isinstance(failure, PageFailure)
    assert kind in failure.why


async def test_gzip_is_read() -> None:
    packed = gzip.compress(b"<p>packed words</p>")

    page = await fetch_one({"/": answer(packed, "text/html", "Content-Encoding: gzip")})

    assert isinstance(page, Page)
    assert page.text == "packed words"


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(256)]) + packer.flush()


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answer(b"x" * (MOST_BYTES + 1), "text/plain"), "larger than 2048 KiB"),
        (answer(b"not gzip", "text/plain", "Content-Encoding: gzip"), "is not"),
        (answer(gzip.compress(b"a" * 999)[:-9], "text/plain", "Content-Encoding: gzip"), "breaks off"),
        (answer(b"x", "text/plain", "Content-Encoding: br"), "'br'"),
        (answer("gone", status=410), "410"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", "RemoteProtocolError"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "RemoteProtocolError"),
    ],
)
async def test_page_that_cannot_be_had_is_a_failure_with_words(response: bytes, why: str) -> None:
    async def once(peer: Peer) -> None:
        await peer.send(response)
        peer.writer.close()

    failure = await fetch_one({"/": once}, by_user=True)

    assert isinstance(failure, PageFailure)
    assert why in failure.why


async def test_gzip_bomb_takes_no_memory() -> None:
    response = answer(bomb(), "text/html", "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        failure = await fetch_one({"/": response}, by_user=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(failure, PageFailure)
    assert "larger than 2048 KiB" in failure.why
    assert peak < 16 << 20  # unpacked at once it has 256 MiB


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    page = await fetch_one({"/": answer(b"word " * (MOST_BYTES // 5) + b"." * (MOST_BYTES % 5), "text/plain")})

    assert isinstance(page, Page)


async def test_endless_page_is_given_up_at_the_limit() -> None:
    async def endless(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            await peer.send(b"<p>more</p>" * 1000)

    failure = await fetch_one({"/": endless})

    assert isinstance(failure, PageFailure)
    assert "larger" in failure.why


async def test_slow_page_fails_at_the_deadline_and_the_others_are_there() -> None:
    async def trickle(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", *[b"a"] * 1000, pause_s=0.05)

    routes: dict[str, Route] = {"/slow": trickle, "/never": never, "/good": answer("<p>good</p>")}
    async with running_site(routes) as site, pages_of(site) as pages:
        await fetch(pages, site.url("/good", "other.example"))  # the process that parses has started
        urls = [site.url("/slow"), site.url("/good", "other.example"), site.url("/never")]
        slow, good, none = await fetch(pages, *urls, seconds=2)

    assert isinstance(good, Page)
    assert slow == PageFailure(site.url("/slow"), "was not there in time")
    assert none == PageFailure(site.url("/never"), "was not there in time")


async def test_a_host_is_asked_for_few_pages_at_a_time() -> None:
    async def slowly(peer: Peer) -> None:
        await asyncio.sleep(0.02)
        await peer.send(answer("<p>words</p>"))

    routes = {f"/{number}": slowly for number in range(8)}
    async with running_site(routes) as site, pages_of(site) as pages:
        found = await fetch(pages, *(site.url(path) for path in routes))

    assert all(isinstance(each, Page) for each in found)
    assert site.most_under_way <= MOST_OF_A_HOST


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int) -> None:
    routes = {
        "/": redirect("/b?c#d", status),
        "/b?c": redirect("//other.example:PORT/e", status),
        "/e": answer("<p>end</p>"),
    }
    async with running_site(routes) as site, pages_of(site) as pages:
        site.routes["/b?c"] = redirect(f"//other.example:{site.port}/e", status)
        [page] = await fetch(pages, site.url("/"))

    assert isinstance(page, Page)
    assert page.url == site.url("/e", "other.example")


async def test_redirect_loop_ends_after_five() -> None:
    async with running_site({"/": redirect("/")}) as site, pages_of(site) as pages:
        [failure] = await fetch(pages, site.url("/"), by_user=True)

    assert failure.why == "was redirected more than 5 times"
    assert len(site.asked) == 6


@pytest.mark.parametrize("by_user", [True, False])
@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:PORT/",
        "http://127.0.0.1/",
        "http://0x7f.1/",
        "http://[::1]:PORT/",
        "//127.0.0.1:PORT/",
        "http://pages.example@127.0.0.1:PORT/",
        "http:\\\\127.0.0.1:PORT/",
        "http://elsewhere.example/",
        "http://pages.example:PORT/",
        "gopher://127.0.0.1:PORT/_x",
        "file:///etc/passwd",
        "http://[::1/",
        "//[v1.x/",
    ],
)
async def test_redirect_to_where_we_must_not_go_is_refused(
    where: str, by_user: bool, sentinel: Sentinel, connects: list[Any]
) -> None:
    where = where.replace("PORT", str(sentinel.port))
    async with running_site({"/": redirect(where)}) as site, pages_of(site) as pages:
        [failure] = await fetch(pages, site.url("/"), by_user=by_user)

    assert isinstance(failure, PageFailure)
    assert "is not to be fetched" in failure.why
    assert {port for _, port in connects} == {site.port}
    assert not sentinel.came


# So many more, and the first 500 KiB end behind the slash of "Disallow: /secret".
ROOM = (500 << 10) - len("User-agent: *\n\nDisallow: /")
ROBOTS = answer("User-agent: *\nDisallow: /private\n\nUser-agent: llm-relay\nDisallow: /secret\nAllow: /", "text/plain")


async def test_robots_txt_is_obeyed_unless_the_address_came_from_the_user() -> None:
    routes = {"/robots.txt": ROBOTS, "/secret": answer("<p>secret</p>"), "/private": answer("<p>private</p>")}
    async with running_site(routes) as site, pages_of(site) as pages:
        secret, private = await fetch(pages, site.url("/secret"), site.url("/private"))
        asked = list(site.asked)
        [by_user] = await fetch(pages, site.url("/secret"), by_user=True)
        [after] = await fetch(pages, site.url("/secret"))

    assert isinstance(secret, PageFailure)
    assert "robots" in secret.why
    assert isinstance(private, Page)
    assert sorted(asked) == ["/private", "/robots.txt"]
    assert isinstance(by_user, Page)
    assert isinstance(after, PageFailure)


async def test_robots_txt_is_asked_for_once_for_many_pages() -> None:
    routes = {"/robots.txt": ROBOTS} | {f"/{number}": answer("<p>words</p>") for number in range(5)}
    async with running_site(routes) as site, pages_of(site) as pages:
        found = await fetch(pages, *(site.url(f"/{number}") for number in range(5)))

    assert all(isinstance(each, Page) for each in found)
    assert site.asked.count("/robots.txt") == 1


async def test_robots_txt_that_is_made_to_take_long_closes_its_site() -> None:
    lines = [f"User-agent: b{number}" for number in range(2000)] + [f"Disallow: /{number}" for number in range(2000)]
    routes = {"/robots.txt": answer("\n".join(lines), "text/plain"), "/a": answer("<p>words</p>")}
    async with running_site(routes) as site, pages_of(site, readers=Readers(parse_s=0.5)) as pages:
        for _ in range(2):
            [failure] = await fetch(pages, site.url("/a"), seconds=10)
            assert "not for robots" in failure.why

    assert site.asked == ["/robots.txt"]


async def test_robots_txt_is_obeyed_behind_a_redirect() -> None:
    routes = {"/robots.txt": ROBOTS, "/open": redirect("/secret"), "/secret": answer("<p>secret</p>")}
    async with running_site(routes) as site, pages_of(site) as pages:
        [failure] = await fetch(pages, site.url("/open"))

    assert "robots" in failure.why
    assert "/secret" not in site.asked


@pytest.mark.parametrize("outage", [answer("broken", status=503), b"no http at all\r\n\r\n"])
async def test_outage_of_robots_txt_closes_a_site_for_no_longer_than_it_lasts(outage: bytes) -> None:
    async def away(peer: Peer) -> None:
        await peer.send(outage)
        peer.writer.close()

    async with running_site({"/robots.txt": away, "/": answer("<p>words</p>")}) as site, pages_of(site) as pages:
        [during] = await fetch(pages, site.url("/"))
        site.routes["/robots.txt"] = ROBOTS
        [after] = await fetch(pages, site.url("/"))

    assert isinstance(during, PageFailure)
    assert isinstance(after, Page)


async def test_robots_txt_is_obeyed_for_a_page_that_a_user_had_read_before() -> None:
    routes = {"/robots.txt": ROBOTS, "/secret": redirect("/open"), "/open": answer("<p>words</p>")}
    async with running_site(routes) as site, pages_of(site) as pages:
        [by_user] = await fetch(pages, site.url("/secret"), by_user=True)
        [after] = await fetch(pages, site.url("/secret"))

    assert isinstance(by_user, Page)
    assert isinstance(after, PageFailure)


@pytest.mark.parametrize(
    ("robots", "is_open"),
    [
        (answer("none", status=404), True),
        (answer("none", status=403), True),
        (answer("broken", status=503), False),
        (b"no http at all\r\n\r\n", False),
        (answer(b"#" * (600 << 10), "text/plain"), True),
        (answer(b"User-agent: *\nDisallow: /\n" + b"#" * (600 << 10), "text/plain"), False),
        (answer(gzip.compress(b"#" * (600 << 10)), "text/plain", "Content-Encoding: gzip"), True),
        (answer(b"User-agent: *\n" + b"#" * ROOM + b"\nDisallow: /secret", "text/plain"), True),
        (answer(b"User-agent: *\n" + b"#" * (600 << 10) + b"\nDisallow: /", "text/plain"), True),
        (answer("User-agent: *\r\nDisallow:", "text/plain"), True),
        (answer("\ufeffUser-agent: *\r\nDisallow: /", "text/plain"), False),
    ],
)
async def test_what_robots_txt_says_by_its_absence(robots: bytes, is_open: bool) -> None:
    async def once(peer: Peer) -> None:
        await peer.send(robots)
        peer.writer.close()

    found = await fetch_one({"/robots.txt": once, "/": answer("<p>words</p>")})

    assert isinstance(found, Page) == is_open


async def test_page_is_fetched_once_in_a_while() -> None:
    async with running_site({"/a": answer("<p>words</p>")}) as site, pages_of(site) as pages:
        [first] = await fetch(pages, site.url("/a"))
        [again] = await fetch(pages, site.url("/a") + "#part")

    assert (again.text, again.asked) == (first.text, site.url("/a") + "#part")
    assert site.asked.count("/a") == 1


async def test_page_is_fetched_each_time_where_none_are_kept() -> None:
    async with running_site({"/a": answer("<p>words</p>")}) as site, pages_of(site, ttl_s=0) as pages:
        await fetch(pages, site.url("/a"))
        await fetch(pages, site.url("/a"))

    assert site.asked.count("/a") == 2


async def test_nothing_to_fetch_is_nothing_found() -> None:
    async with running_site({}) as site, pages_of(site) as pages:
        assert await fetch(pages) == []


async def test_caller_that_is_cancelled_ends_the_fetching() -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def watched(peer: Peer) -> None:
        came.set()
        await peer.gone()
        gone.set()

    async with running_site({"/": watched}) as site, pages_of(site) as pages:
        task = asyncio.create_task(fetch(pages, site.url("/"), by_user=True))
        await asyncio.wait_for(came.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 10)
