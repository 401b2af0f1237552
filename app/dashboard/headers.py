"""The headers of all pages: nothing is loaded from elsewhere, nothing inline is run, and no other page may frame them."""


def _policy(styles: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src {styles}",
            "img-src 'self' data:",  # the small pictures in the style sheet
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


PAGE_HEADERS = {
    "content-security-policy": _policy("'self'"),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

DOCS_HEADERS = PAGE_HEADERS | {"content-security-policy": _policy("'self' 'unsafe-inline'")}
"""For Swagger UI alone, which writes style attributes."""
