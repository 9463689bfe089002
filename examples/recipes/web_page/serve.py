"""A page of your own that talks to the HTTP interface: python serve.py, then open http://localhost:8000/mine/.

No framework for user interfaces and nothing from the network: the page is what lies in `page/`. It has to come from
the same server as the interface, since pages of other sites are refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from starlette.routing import Mount

import anymask
from anymask.server.app import create_app
from anymask.server.server import bind_socket, serve
from anymask.server.service import ServerSettings
from anymask.server.static_files import WebFiles

PAGE = Path(__file__).parent / "page"


def main() -> None:
    """Serve the page under /mine/, beside everything that `anymask serve` has."""
    parser = argparse.ArgumentParser(description="Serve a page of your own.")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--data", type=Path, default=Path("photos-of-the-page"), help="where photos are kept")
    asked = parser.parse_args()

    bound = bind_socket("127.0.0.1", asked.port)
    app = create_app(anymask.load("mobile-sam"), ServerSettings(asked.data))
    app.router.routes.insert(0, Mount("/mine", WebFiles(PAGE)))
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/mine/"
    serve(app, bound, on_start=lambda: print(f"open {address}", flush=True))


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"serve: {error}") from None
