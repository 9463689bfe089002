"""What the shell offers for a value: names of models, detectors and formats, files and folders.

Choices and paths complete by themselves. The shell offers files itself, since it knows how their names are quoted.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def complete_models(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models that make masks; checkpoint files once the text is a path."""
    if _is_path(incomplete):
        return complete_files(ctx, parameter, incomplete)
    return _models(incomplete, detectors=False)


def complete_detectors(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Detectors for text; files once the text is a path."""
    if _is_path(incomplete):
        return complete_files(ctx, parameter, incomplete)
    return _models(incomplete, detectors=True) + [CompletionItem("auto")] * "auto".startswith(incomplete)


def complete_all_models(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models and detectors."""
    return _models(incomplete, detectors=False) + _models(incomplete, detectors=True)


def complete_formats(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Formats of `anymask convert`."""
    from anymask.formats.registry import format_names

    return [CompletionItem(name) for name in format_names() if name.startswith(incomplete)]


def complete_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders."""
    return [CompletionItem(incomplete, type="file")]


def complete_folders(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders."""
    return [CompletionItem(incomplete, type="dir")]


def _models(incomplete: str, detectors: bool) -> list[CompletionItem]:
    from anymask.detection.loading import FAMILIES
    from anymask.weights import all_models, is_here

    return [
        CompletionItem(each.name, help=f"{each.size / 1e6:,.0f} MB, {'here' if is_here(each) else 'not here yet'}")
        for each in all_models().values()
        if each.name.startswith(incomplete) and (each.family in FAMILIES) == detectors
    ]


def _is_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or "/" in text
