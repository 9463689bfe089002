"""`anymask serve keys`: the keys of a team."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anymask.cli.option_groups import GroupedGroup, command_option

if TYPE_CHECKING:
    from anymask.server.keys import KeyStore


@click.group("keys", cls=GroupedGroup)
@command_option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    envvar="ANYMASK_SERVE_DATA",
    help="Folder of the server, as for anymask serve.",
)
@click.pass_context
def keys(context: click.Context, data: Path | None) -> None:
    """Give people keys of their own, and take them back; a running server follows within a second."""
    from anymask.server.keys import KeyStore
    from anymask.weights import cache_root

    assert context.parent is not None
    context.obj = KeyStore(data or context.parent.params.get("data") or cache_root() / "serve")


@keys.command("add")
@click.argument("name")
@command_option(
    "--role",
    type=click.Choice(("read", "annotate", "admin")),
    default="annotate",
    show_default=True,
    help="read looks at what is there, annotate also changes it, admin also sees what belongs to others.",
)
@command_option("--expires", metavar="WHEN", help="After 12h, 30d or 8w, or on a date such as 2027-01-31.")
@click.pass_obj
def add_key(store: KeyStore, name: str, role: str, expires: str | None) -> None:
    """Make a key and print it. It is stored nowhere, and cannot be printed again."""
    from anymask.server.keys import KEY_ROLES, parse_expiry

    (chosen,) = (each for each in KEY_ROLES if each == role)
    secret = store.add(name, chosen, None if expires is None else parse_expiry(expires))
    click.echo(secret)


@keys.command("list")
@click.pass_obj
def list_all(store: KeyStore) -> None:
    """List names, roles and expiry; no key."""
    for each in store.all():
        if each.expires is None:
            until = "never expires"
        else:
            moment = datetime.fromtimestamp(each.expires, timezone.utc)
            until = f"{'expired' if each.is_expired else 'expires'} {moment:%Y-%m-%d %H:%M} UTC"
        shared = f"{len(each.projects)} shared projects" if each.projects else ""
        click.echo("  ".join(filter(None, (f"{each.name:24}", f"{each.role:8}", until, shared))))


@keys.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke_key(store: KeyStore, name: str) -> None:
    """Take a key back; what it uploaded stays until it expires."""
    store.revoke(name)


@keys.command("share")
@click.argument("name")
@click.argument("project")
@command_option("--end", is_flag=True, help="Share it no longer.")
@click.pass_obj
def share_with_key(store: KeyStore, name: str, project: str, end: bool) -> None:
    """Share a project, by its id, with a key."""
    store.share(project, name, not end)
