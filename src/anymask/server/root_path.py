"""The path that a proxy serves the server under."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Takes the path that a proxy serves the server under off the paths of requests.

    Proxies that take it off themselves are served, too. Addresses in responses begin with it; a client that appends
    one to the address of the server sends it twice.

    Args:
        app: the application, which has its routes at the root.
        root_path: of `read_root_path`, not "".
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or redirect it to the page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, raw_path = scope["path"], scope.get("raw_path") or b""
        if path == self._root_path:
            await RedirectResponse(f"{self._root_path}/", 308)(scope, receive, send)
            return
        while path.startswith(f"{self._root_path}/"):
            path = path.removeprefix(self._root_path)
            raw_path = raw_path.removeprefix(self._root_path.encode())
        await self._app({**scope, "path": path, "raw_path": raw_path, "root_path": self._root_path}, receive, send)
