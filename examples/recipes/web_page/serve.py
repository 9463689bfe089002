"""Your own page on the HTTP interface: python serve.py, then open http://localhost:8000/mine/.

No framework for user interfaces and nothing from the network: the page is the folder `page/`. It has to come from
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
    parser = argparse.ArgumentParser(description="Serve your own page.")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--data", type=Path, default=Path("page-images"), help="where images are stored")
    arguments = parser.parse_args()

    bound = bind_socket("127.0.0.1", arguments.port)
    app = create_app(anymask.load("mobile-sam"), ServerSettings(arguments.data))
    app.router.routes.insert(0, Mount("/mine", WebFiles(PAGE)))
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/mine/"
    serve(app, [bound], on_start=lambda: print(f"open {address}", flush=True))


if __name__ == "__main__":
    try:
        main()
    except anymask.AnymaskError as error:
        raise SystemExit(f"serve: {error}") from None
