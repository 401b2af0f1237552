"""What the pages load: files beside this one, under an address that changes with their content."""

import hashlib
import mimetypes
from collections.abc import Iterable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

FOLDER = Path(__file__).parent / "static"
VENDOR = ("alpine.js", "pico.css", "uplot.css", "uplot.js")
"""What `make setup` installs for all pages."""
DOCS_VENDOR = ("swagger-ui.css", "swagger-ui.js")
"""The same for the API's document."""

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """All files below `static`, read once for their hash.

    Attributes:
        base: what their addresses begin with.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        digest = hashlib.sha256()
        for name, path in self._files.items():
            digest.update(name.encode())
            digest.update(path.read_bytes())
        self._version = digest.hexdigest()[:12]
        self.base = f"/static/{self._version}"

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that were to be installed, and are not there."""
        return [name for name in names if f"vendor/{name}" not in self._files]

    async def serve(self, request: Request) -> Response:
        """One file, by `version` and `name` in the path; that of another version is what it is now, and kept by nobody."""
        path = self._files.get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such file.", 404)
        is_this_version = request.path_params["version"] == self._version
        media_type = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
        headers = {"cache-control": _FOR_EVER if is_this_version else "no-store", "x-content-type-options": "nosniff"}
        return FileResponse(path, media_type=media_type, headers=headers)
