"""The browser application as static files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

WEB_FOLDER = Path(__file__).parent / "web"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""Fixed here, because a browser does not run `.js` under some of the types that operating systems have for it."""


def web_paths(folder: Path = WEB_FOLDER) -> frozenset[str]:
    """The paths at which `WebFiles` has a file: those of the files, and of the folders that have an `index.html`."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    folders = [path.parent for path in files if path.name == "index.html"]
    return frozenset(f"/{path.as_posix()}" for path in files) | frozenset(
        f"/{path.as_posix()}/".replace("/./", "/") for path in folders
    )


class WebFiles(StaticFiles):
    """Files of `web/`, `index.html` for a folder; browsers check each time whether their copy is current (ETag)."""

    def __init__(self, folder: Path = WEB_FOLDER) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)

    def file_response(self, full_path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Response:
        """The response with a file, with its media type."""
        response = super().file_response(full_path, *args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        if kind := _TYPES.get(Path(full_path).suffix.lower()):
            response.headers["Content-Type"] = kind
        return response
