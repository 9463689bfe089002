"""`anymask serve`: the browser application and the HTTP interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anymask.cli.common_options import debug_option, quiet_option, runtime_options


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--token",
    metavar="TEXT",
    envvar="ANYMASK_TOKEN",
    help="Required of every request; generated for addresses other than this machine. Also ANYMASK_TOKEN.",
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where images are stored."
)
@click.option("--detector", default="auto", show_default=True, metavar="NAME", help="Detector for text.")
@click.option("--allow-urls", is_flag=True, help="Fetch images from public URLs that clients send.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Without a token: a further name of this server.")
@click.option("--max-upload", type=click.IntRange(1), default=64, show_default=True, metavar="MB", help="Of an image.")
@click.option("--max-pixels", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="In millions.")
@click.option("--keep", type=click.FloatRange(0, min_open=True), default=24, show_default=True, metavar="HOURS",
              help="Remove images that had no request for so long.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Prompts at once.")
@quiet_option
@runtime_options
@debug_option
def command(
    host: str,
    port: int,
    token: str | None,
    data: Path | None,
    detector: str,
    allow_urls: bool,
    allow_host: tuple[str, ...],
    max_upload: int,
    max_pixels: int,
    keep: float,
    workers: int,
    quiet: bool,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
) -> None:
    """Serve the browser application and the HTTP interface.

    Only this machine can reach it, unless --host says otherwise; then every request needs the token. Ctrl-C or SIGTERM
    ends it: running requests are finished, jobs end with the masks so far.

    \b
    anymask serve
    anymask serve --host 0.0.0.0 --port 8080
    """  # noqa: D301 - click wants the control character itself
    from anymask.cli.progress import fetch_progress
    from anymask.detection.loading import check_detector
    from anymask.errors import AnymaskError, InputError
    from anymask.io.cache_folder import folder_or_temporary, may_write
    from anymask.prediction.segmenter import load

    try:
        from anymask.server.app import create_app
        from anymask.server.auth import token_for
        from anymask.server.limits import MB, Limits
        from anymask.server.server import bind_socket, serve
        from anymask.server.service import ServerSettings
    except ModuleNotFoundError as error:
        raise AnymaskError(f"the server needs {error.name}: pip install 'anymask[server]'") from None
    from anymask.weights import cache_root

    if data and not may_write(data):
        raise InputError(f"--data {data} cannot be written: name a folder for the images of clients")
    check_detector(detector)
    token, is_new = token_for(host, token)
    limits = Limits(upload_bytes=max_upload * MB, pixels=max_pixels * 1_000_000, idle_seconds=keep * 3600)
    bound = bind_socket(host, port)
    runtime: dict[str, Any] = {"engine": engine, "precision": precision, "threads": threads, "device": device}
    with fetch_progress(quiet) as fetched:
        segmenter = load(model, allow=allow, progress=fetched, **runtime)
    folder = data or folder_or_temporary(cache_root() / "serve", "images of clients are removed when the server ends")
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"
    settings = ServerSettings(folder, limits, token, allow_host, allow_urls, detector, workers, address)
    app = create_app(segmenter, settings)

    def announce() -> None:
        click.echo(f"anymask: serving {address}{f'#token={token}' if is_new else ''}", err=True)
        if is_new:
            click.echo(f"anymask: the token is {token}", err=True)

    serve(app, bound, on_start=announce)
