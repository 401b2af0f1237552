"""What robots.txt says to us, by the rules of RFC 9309."""

import pytest

from app.web.robots_file import allows

EVERY = "User-agent: *\n"


def may(text: str, path: str) -> bool:
    return allows(text.encode(), f"https://site.example{path}")


@pytest.mark.parametrize(
    ("rules", "path", "is_open"),
    [
        ("Disallow: /a", "/a", False),
        ("Disallow: /a", "/ab/c?d", False),
        ("Disallow: /a", "/b/a", True),
        ("Disallow:", "/a", True),
        ("Disallow: /  # all of it", "/a", False),
        # the longest rule that fits, wherever it stands
        ("Allow: /\nDisallow: /private/", "/private/x", False),
        ("Disallow: /\nAllow: /open", "/open/x", True),
        ("Disallow: /x\nAllow: /x", "/x", True),
        # * and $
        ("Disallow: /*.pdf$", "/a/b.pdf", False),
        ("Disallow: /*.pdf$", "/a/b.pdf?c", True),
        ("Disallow: /a$", "/a", False),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: /*/x*y$", "/a/x/y", False),
        ("Disallow: /*/x*y$", "/a/x", True),
        ("Disallow: /ab*b$", "/ab", True),
        ("Disallow: *", "/a", False),
        ("Disallow: /*?", "/a?b", False),
        ("Disallow: /a$b", "/a$b", False),
        # what is encoded and what is not are the same
        ("Disallow: /a b/ü", "/a%20b/%C3%BC", False),
        ("Disallow: /%7ejoe", "/~joe", False),
        ("Disallow: /a%3cb", "/a%3Cb", False),
        ("Disallow: /a%2fb", "/a/b", True),
    ],
)
def test_longest_rule_that_fits_says_what_is_open(rules: str, path: str, is_open: bool) -> None:
    assert may(EVERY + rules, path) is is_open


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("", True),
        ("Disallow: /", True),  # is for nobody
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: LLM-Relay-Plus\nDisallow: /", True),
        ("USER-AGENT : LLM-RELAY\nDISALLOW : /", False),
        ("User-agent: *\n\nDisallow: /", False),
        ("\ufeffUser-agent: *\r\nDisallow: /".lstrip("\ufeff"), False),
        ("User-agent: other\nUser-agent: llm-relay\nDisallow: /", False),
        ("User-agent: llm-relay\nSitemap: /s\nUser-agent: other\nDisallow: /", False),
        ("User-agent: llm-relay\nDisallow: /x\n\nUser-agent: other\nDisallow: /", True),
        ("User-agent: llm-relay\nDisallow: /x\n\nUser-agent: llm-relay\nDisallow: /a", False),
        ("User-agent: *\nDisallow: /\n\nUser-agent: llm-relay\nDisallow:", True),
    ],
)
def test_groups_that_are_for_us_count_together_and_else_those_for_all(text: str, is_open: bool) -> None:
    assert may(text, "/a") is is_open


def test_pattern_that_is_made_to_take_long_is_searched_once() -> None:
    assert may(EVERY + "Disallow: /" + "*a" * 100_000 + "b", "/" + "a" * 4000)
