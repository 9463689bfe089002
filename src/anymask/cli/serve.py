"""`anymask serve`: the browser application and the HTTP interface."""

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
from anymask.cli.limit_options import limit_options, limits_of
from anymask.cli.option_groups import GroupedGroup, command_option
from anymask.cli.reach_options import reach_options
from anymask.cli.serve_keys import keys
from anymask.server.limits import Limits


@click.group(
    cls=GroupedGroup,
    first=("host", "port", "token", "model", "workers"),
    invoke_without_command=True,
    context_settings={"auto_envvar_prefix": "ANYMASK"},
)
@host_option
@command_option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free port.")
@token_option
@command_option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    envvar="ANYMASK_SERVE_DATA",
    allow_from_autoenv=False,  # ANYMASK_DATA is where a user's models are
    group="Data",
    help="Folder for images of clients, jobs, keys and projects.",
)
@detector_option
@command_option("--allow-urls", is_flag=True, group="Network", help="Fetch images from public URLs that clients send.")
@command_option(
    "--allow-host", multiple=True, metavar="NAME", group="Network", help="A further name of a server without a token."
)
@reach_options
@command_option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that serve together; memory and --threads are divided among them.",
)
@command_option(
    "--prompts-at-once",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Prompts that each process runs at once.",
)
@command_option("--share", is_flag=True, group="Data", help="Other servers with --share may have the same --data.")
@command_option(
    "--database",
    metavar="URL",
    group="Data",
    help="PostgreSQL of servers on several machines that share --data: postgresql://…",
)
@command_option(
    "--peer-host",
    default="127.0.0.1",
    metavar="ADDRESS",
    show_default=True,
    group="Data",
    help="Address at which servers on other machines reach this one.",
)
@command_option(
    "--access-log", metavar="FILE", group="Logs", help="Write a JSON line for each request; - is standard output."
)
@command_option(
    "--audit-log",
    metavar="FILE",
    group="Logs",
    help="Write a JSON line for each request that changes something or is refused.",
)
@limit_options(Limits)
@command_option("--show-config", is_flag=True, help="Print all settings, with their environment variables, and end.")
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
    root_path: str,
    forwarded_allow_ips: str,
    allow_origin: tuple[str, ...],
    workers: int,
    prompts_at_once: int,
    share: bool,
    database: str | None,
    peer_host: str,
    access_log: str | None,
    audit_log: str | None,
    show_config: bool,
    quiet: bool,
    model: str,
    engine: str,
    precision: str,
    threads: int | None,
    device: str,
    allow: str | None,
    **given_limits: Any,
) -> None:
    """Serve the browser application and the HTTP interface.

    Only this machine can reach it, unless --host says otherwise; then every request needs the token. Ctrl-C or SIGTERM
    ends it: running requests are finished, jobs end with the masks so far.

    Each option is also an environment variable, as --show-config lists them.

    \b
    anymask serve
    anymask serve --host 0.0.0.0 --port 8080 --workers 4
    anymask serve keys add maria --expires 90d
    """  # noqa: D301 - click wants the control character itself
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        return
    from anymask.cli.progress import fetch_progress
    from anymask.detection.loading import check_detector
    from anymask.errors import AnymaskError, InputError
    from anymask.io.cache_folder import folder_or_temporary, may_write
    from anymask.prediction.segmenter import load

    try:
        from anymask.cli.serve_workers import Sharing
        from anymask.server.app import create_app
        from anymask.server.auth import token_for
        from anymask.server.server import bind_socket, serve
        from anymask.server.service import ServerSettings
        from anymask.server.tracing import MISSING, send_traces
    except ModuleNotFoundError as error:
        raise AnymaskError(f"the server needs {error.name}: pip install 'anymask[server]'") from None
    from anymask.weights import cache_root, ensure, find_model

    limits = Limits(**limits_of(Limits, given_limits))
    if show_config:
        click.echo(_configuration(context))
        return
    if data and not may_write(data):
        raise InputError(f"--data {data} cannot be written: name a folder for the images of clients")
    check_detector(detector)
    sharing = Sharing(workers, share, database, peer_host, token)
    token, is_new = token_for(host, token)
    bound = bind_socket(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}{root_path}/"
    folder = data or folder_or_temporary(cache_root() / "serve", "images of clients are removed when the server ends")

    def announce() -> None:
        click.echo(f"anymask: serving {address}{f'#token={token}' if is_new else ''}", err=True)
        if is_new:
            click.echo(f"anymask: the token is {token}", err=True)

    with fetch_progress(quiet) as fetched:
        ensure(find_model(model), allow=allow, progress=fetched)
    on_start = sharing.start_workers(folder, address, announce)
    if not send_traces():  # in each worker, for threads do not outlive a fork
        click.echo(f"anymask: {MISSING}", err=True)
    segmenter = load(
        model, allow=allow, engine=engine, precision=precision, threads=sharing.threads_of(threads), device=device
    )
    if sharing.is_with_others:
        segmenter.store_embeddings_in(folder / "embeddings")
    settings = ServerSettings(
        folder,
        sharing.limits_of(limits),
        token,
        allow_host,
        allow_urls,
        detector,
        prompts_at_once,
        address,
        access_log=access_log,
        audit_log=audit_log,
        root_path=root_path,
        proxies=forwarded_allow_ips,
        origins=allow_origin,
        data=sharing.data,
        database=database,
        peer=sharing.peer,
    )
    serve(create_app(segmenter, settings), [bound, *sharing.sockets], on_start=on_start)


command.add_command(keys)


_WITHOUT_EFFECT = ("show_config", "debug", "help")


def _configuration(context: click.Context) -> str:
    """All settings, one a line: flag, value, environment variable, and where the value is from; no token."""
    rows = []
    for each in context.command.params:
        if not isinstance(each, click.Option) or each.name is None or each.name in _WITHOUT_EFFECT:
            continue
        value = context.params.get(each.name)
        source = context.get_parameter_source(each.name)
        variable = each.envvar or f"{context.auto_envvar_prefix}_{each.name.upper()}"
        rows.append((each.opts[0], _written(each, value), str(variable), source.name.lower() if source else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    padded = (zip(row, widths, strict=True) for row in rows)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in padded)


def _written(option: click.Option, value: Any) -> str:
    """A value as --show-config prints it."""
    if option.name in ("token", "database"):  # a database's address may hold a password
        return "(set)" if value else "(none)"
    if option.name == "memory_bytes" and value is None:
        from anymask.structures.memory import memory_limit

        return f"{memory_limit() // 2 / (1 << 20):.0f} MB"
    if value is None or value == ():
        return "(none)"
    values = value if isinstance(value, tuple) else (value,)
    text = " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values)
    return f"{text} {option.metavar}" if option.metavar in ("MB", "HOURS", "SECONDS", "PIXELS") else text
