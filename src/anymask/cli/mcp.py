"""`anymask mcp`: tools for assistants."""

from __future__ import annotations

from pathlib import Path

import click

from anymask.cli.common_options import debug_option, detector_option, host_option, refuse_options, runtime_options
from anymask.cli.option_groups import GroupedCommand, command_option


@click.command(cls=GroupedCommand, first=("root", "http", "port", "model", "detector"))
@command_option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Files outside this folder are refused; by default the current folder.",
)
@detector_option
@command_option("--http", is_flag=True, help="Listen at http://ADDRESS:PORT/mcp rather than standard input and output.")
@host_option
@command_option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="With --http.")
@command_option(
    "--token",
    metavar="TEXT",
    envvar="ANYMASK_TOKEN",
    help="With --http: required of every request; generated for addresses other than this machine. Also ANYMASK_TOKEN.",
)
@runtime_options
@debug_option
def command(
    root: Path,
    detector: str,
    http: bool,
    host: str,
    port: int,
    token: str | None,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
) -> None:
    """Offer tools to an assistant, over the Model Context Protocol.

    size shows an image, segment and everything find masks, cutout writes an object without its background. Each
    result has an overlay to look at. Files are read and written in --root only, and no file is replaced.

    \b
    anymask mcp
    anymask mcp --root photos
    anymask mcp --root photos --http --port 8765
    """  # noqa: D301 - click wants the control character itself
    from anymask.detection.loading import check_detector
    from anymask.errors import AnymaskError
    from anymask.prediction.segmenter import Segmenter, load
    from anymask.weights import find_model

    try:
        from anymask.integrations.mcp import Toolbox, make_mcp_server
        from anymask.integrations.mcp_http import serve_mcp
    except ModuleNotFoundError as error:
        raise AnymaskError(f"anymask mcp needs {error.name}: pip install 'anymask[mcp]'") from None
    if not http:
        refuse_options(("host", "port", "token"), "is about --http, which is missing")
    find_model(model)
    check_detector(detector)

    def load_model() -> Segmenter:
        return load(model, engine=engine, precision=precision, threads=threads, device=device, allow=allow)

    server = make_mcp_server(Toolbox(load_model, root, detector))
    if http:
        serve_mcp(server, host, port, token, announce=lambda line: click.echo(f"anymask: {line}", err=True))
    else:
        server.run()
