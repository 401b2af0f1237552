"""The text of pages: HTML, PDF and plain text, whatever their charset says."""

import codecs

import pytest

from app.web.parse import MOST_CHARACTERS, MOST_PDF_PAGES, Unreadable, decode, parse
from tests.web.pdfs import make_pdf

STORY = "Die Brücke über den Fluß wurde im Jahre 1867 von der Stadt gebaut. " * 6
ARTICLE = f"""<!doctype html><html><head><title>The bridge - News</title>
<meta property="article:published_time" content="2024-03-02T10:00:00Z"></head>
<body><nav><a href="/">Home</a> <a href="/sport">Sport</a></nav>
<article><h1>The bridge</h1><p>{STORY}</p><p>{STORY}</p></article>
<script>var tracking = "do not read";</script><footer>Imprint and cookies</footer></body></html>"""


def test_main_text_title_and_date_of_an_article_are_read() -> None:
    read = parse("html", ARTICLE.encode(), "utf-8", "https://news.example/bridge")

    assert "Brücke über den Fluß" in read["text"]
    assert "tracking" not in read["text"]
    assert "Imprint" not in read["text"]
    assert "The bridge" in read["title"]
    assert read["date"] == "2024-03-02"


def test_page_without_a_main_text_gives_all_that_it_shows() -> None:
    read = parse(
        "html", b"<title>Price</title><style>p{}</style><p>7 EUR</p><script>x()</script>", None, "https://a.example/"
    )

    assert read == {"title": "Price", "text": "7 EUR", "date": None}


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", None),
        ("utf-8", "iso-8859-42"),
        ("utf-8", "us-ascii-no"),
        ("utf-8", "rot13"),
        ("utf-8", "unicode_escape"),
        ("cp1252", "iso-8859-1"),
        ("cp1252", "utf-8"),
        ("cp1252", None),
        ("utf-16", "utf-8"),
        ("utf-8-sig", "iso-8859-1"),
    ],
)
def test_charset_that_is_wrong_or_missing_is_found(encoding: str, charset: str | None) -> None:
    assert STORY.strip() in decode(STORY.encode(encoding), charset)


def test_charset_that_the_page_tells_counts_where_the_server_tells_none() -> None:
    html = '<meta charset="windows-1251"><p>Мост через реку построен в 1867 году.</p>'

    assert "Мост через реку" in decode(html.encode("cp1251"), None)


def test_bytes_that_are_no_text_are_not_read_as_text() -> None:
    with pytest.raises(Unreadable, match="is not"):
        parse("text", b"\x7fELF\0\0\1", None, "https://a.example/")


def test_text_with_a_byte_order_mark_is_read() -> None:
    assert parse("text", codecs.BOM_UTF16_LE + "Größe".encode("utf-16-le"), None, "")["text"] == "Größe"


def test_pdf_is_read_page_by_page() -> None:
    read = parse(
        "pdf", make_pdf("The first page", "and the second", title="A paper", made="D:20230405120000Z"), None, ""
    )

    assert read == {"title": "A paper", "text": "The first page\n\nand the second", "date": "2023-04-05"}


def test_pdf_is_read_to_a_number_of_pages() -> None:
    read = parse("pdf", make_pdf(*(f"page {number}." for number in range(MOST_PDF_PAGES + 5))), None, "")

    assert f"page {MOST_PDF_PAGES - 1}." in read["text"]
    assert f"page {MOST_PDF_PAGES}." not in read["text"]


@pytest.mark.parametrize("body", [b"%PDF-1.7 and nothing else", make_pdf("text")[:200], b""])
def test_broken_pdf_is_told_as_such(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse("pdf", body, None, "")


def test_text_is_bounded() -> None:
    assert len(parse("text", b"word " * MOST_CHARACTERS, None, "")["text"]) == MOST_CHARACTERS


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<script>x</script>"])
def test_page_without_text_is_told_as_such(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse("html", body, None, "https://a.example/")
