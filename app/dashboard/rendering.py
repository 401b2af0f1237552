"""Writes pages from templates. Whatever is put into one is text, never markup."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from app import __version__
from app.dashboard.assets import VENDOR, Assets
from app.dashboard.headers import PAGE_HEADERS

_TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """Knows the templates and the addresses of what they load."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"static": assets.base, "version": __version__}

    def render(self, template: str, status: int = 200, *, needs: Sequence[str] = (), **values: Any) -> HTMLResponse:
        """The page; where what it loads is not installed, one that says so. It may need more than all pages do."""
        if missing := self._assets.missing((*VENDOR, *needs)):
            template, status, values = "missing.html", 503, {"missing": missing}
        return HTMLResponse(self._templates.get_template(template).render(values), status, PAGE_HEADERS)
