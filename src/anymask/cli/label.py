"""`anymask label`: label a folder of images in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anymask.cli.common_options import (
    debug_option,
    detector_option,
    host_option,
    quiet_option,
    runtime_options,
    token_option,
)
from anymask.cli.option_groups import GroupedCommand, command_option
from anymask.cli.reach_options import root_path_option
from anymask.errors import quantity

_PORT = 8000


@click.command(cls=GroupedCommand, first=("project", "port", "no_browser", "model", "detector"))
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@command_option("--project", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Folder to store the project in.  [default: FOLDER/.anymask]")  # fmt: skip
@host_option
@command_option(
    "--port", type=click.IntRange(0, 65535), help=f"0 picks a free port.  [default: {_PORT}, or a free one]"
)
@token_option
@root_path_option
@detector_option
@command_option("--no-browser", is_flag=True, help="Do not open the browser.")
@quiet_option
@runtime_options
@debug_option
def command(
    folder: Path,
    project: Path | None,
    host: str,
    port: int | None,
    token: str | None,
    root_path: str,
    detector: str,
    no_browser: bool,
    quiet: bool,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
) -> None:
    """Label the images of a folder, with all below it, in the browser.

    The images stay as they are; objects, classes and states are saved after every act, and are there again the next
    time. Annotations in the folder (COCO, LabelMe, YOLO, masks.json and others) are opened as objects. Ctrl-C ends it.

    \b
    anymask label photos
    anymask label photos --project work/photos --host 0.0.0.0
    anymask label photos --model fastsam-s --allow agpl-3.0 --no-browser
    anymask convert photos --to coco --out photos.json
    """  # noqa: D301 - click wants the control character itself
    from urllib.parse import quote

    from anymask.cli.progress import fetch_progress, waiting
    from anymask.detection.loading import check_detector
    from anymask.errors import AnymaskError, InputError
    from anymask.prediction.segmenter import load
    from anymask.projects.places import ProjectLock, ProjectPlace

    try:
        from anymask.server.app import create_app
        from anymask.server.auth import token_for
        from anymask.server.server import bind_socket, serve
        from anymask.server.service import ServerSettings, Service
    except ModuleNotFoundError as error:
        raise AnymaskError(f"the server needs {error.name}: pip install 'anymask[server]'") from None

    place = ProjectPlace.of(folder, project)
    check_detector(detector)
    token, is_new = token_for(host, token)
    try:
        bound = bind_socket(host, _PORT if port is None else port)
    except InputError:
        if port is not None:
            raise
        bound = bind_socket(host, 0)
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}{root_path}/"
    ProjectLock(place.home, address).release()  # refused before the model is loaded, which takes seconds
    runtime: dict[str, Any] = {"engine": engine, "precision": precision, "threads": threads, "device": device}
    with waiting(f"loading {model}", quiet), fetch_progress(quiet) as fetched:
        segmenter = load(model, allow=allow, progress=fetched, **runtime)
    settings = ServerSettings(
        place.home / "server", token=token, detector=detector, address=address, project=place, root_path=root_path
    )  # fmt: skip
    app = create_app(segmenter, settings)
    service: Service = app.state.service

    def announce() -> None:
        opened = service.projects.get(service.projects.current or "")
        current = opened.summary()
        shown = f"#project={current['id']}"
        page = f"{shown}&token={quote(token)}" if token else shown
        images = f"{quantity(current['images'], 'image')} of {folder}, {current['done']} of them done"
        printed = f"{address}{page if is_new else shown}"
        click.echo(f"anymask: labelling {images}, at {printed} (Ctrl-C ends it)", err=True)
        if missing := opened.project.images.missing():
            elsewhere = f"if they are elsewhere now: anymask label FOLDER --project {place.home}"
            click.echo(
                f"anymask: not in {folder} any more: {quantity(missing, 'image')} of the project; {elsewhere}", err=True
            )
        if not no_browser:
            reachable = address.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
            _open_browser(f"{reachable}{page}")

    serve(app, [bound], on_start=announce)


def _open_browser(page: str) -> None:
    """Open a page in the person's browser, if there is one; the server does not wait for it."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=[page], daemon=True).start()
