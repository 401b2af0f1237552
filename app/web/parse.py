"""The text, title and date of a page from its bytes. It runs in a process of its own: see `reader`."""

import codecs
import re
from io import BytesIO
from typing import Any

MOST_CHARACTERS = 200_000
MOST_PDF_PAGES = 50

Read = dict[str, Any]
"""`title`, `text` and `date`, which may be None."""

_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# https://encoding.spec.whatwg.org/#names-and-labels: what browsers take these for.
_ALIASES = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
_NOT_OF_PAGES = frozenset({"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs"})
_LEAST_TO_GUESS = 200  # bytes; of less it takes one for the other
_BLANK = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r"\s*\n\s*\n\s*")


class Unreadable(Exception):
    """There is no text in it; the words are a clause whose subject is the page."""


def parse(kind: str, body: bytes, charset: str | None, url: str) -> Read:
    """Read a page that is `html`, `text` or `pdf`.

    Raises:
        Unreadable: with words. Whatever else a parser raises comes through.
    """
    read = {"html": _parse_html, "text": _parse_text, "pdf": _parse_pdf}[kind](body, charset, url)
    text = _BREAKS.sub("\n\n", _BLANK.sub(" ", read["text"] or "")).strip()
    if not text:
        raise Unreadable("has no text that could be read")
    title = " ".join((read["title"] or "").split())
    return {"title": title[:300], "text": text[:MOST_CHARACTERS], "date": read["date"]}


def decode(body: bytes, charset: str | None) -> str:
    """Text from bytes: by the byte order mark, by what the server and the page say, as UTF-8, or by its looks."""
    for bom, marked in _BOMS.items():
        if body.startswith(bom):
            return body.decode(marked, "replace")
    meta = _META_CHARSET.search(body, 0, 2048)
    for named in (charset, meta[1].decode() if meta else None, "utf-8"):
        encoding = _usable(named)
        if encoding is None:
            continue
        try:
            return body.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    from charset_normalizer import from_bytes  # trafilatura brings it

    best = from_bytes(body).best() if len(body) > _LEAST_TO_GUESS else None
    return str(best) if best is not None else body.decode("cp1252", "replace")


def _usable(named: str | None) -> str | None:
    try:
        name = codecs.lookup(named or "").name
    except (LookupError, ValueError):
        return None
    return None if name.replace("_", "-") in _NOT_OF_PAGES else _ALIASES.get(name, name)


def _parse_text(body: bytes, charset: str | None, _url: str) -> Read:
    if b"\0" in body and not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("is said to be text and is not")
    return {"title": None, "text": decode(body, charset), "date": None}


def _parse_html(body: bytes, charset: str | None, url: str) -> Read:
    from trafilatura import bare_extraction

    html = decode(body, charset)
    found = bare_extraction(html, url=url, with_metadata=True, include_comments=False, deduplicate=False)
    if found is not None and not isinstance(found, dict) and (found.text or "").strip():
        return {"title": found.title, "text": found.text, "date": found.date}
    return _all_of(html)


def _all_of(html: str) -> Read:
    """Of a page that has no main text: all that is shown."""
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring

    try:
        tree = document_fromstring(html.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8"))
    except (etree.ParserError, ValueError):
        raise Unreadable("is no HTML") from None
    title = tree.findtext(".//title")
    etree.strip_elements(tree, "script", "style", "noscript", "template", "head", etree.Comment, with_tail=False)
    return {"title": title, "text": "\n".join(tree.itertext()), "date": None}


def _parse_pdf(body: bytes, _charset: str | None, _url: str) -> Read:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    texts: list[str] = []
    try:
        reader = PdfReader(BytesIO(body))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("is a PDF with a password")
        for page in reader.pages[:MOST_PDF_PAGES]:
            texts.append(page.extract_text())
            if sum(map(len, texts)) > MOST_CHARACTERS:
                break
        about = reader.metadata
        title = about.title if about else None
        made = about.creation_date if about else None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Unreadable("is a PDF that cannot be read") from None
    return {"title": title, "text": "\n\n".join(texts), "date": made.date().isoformat() if made else None}
