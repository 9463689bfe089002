"""What bash, zsh and fish offer after Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from anymask import cli, weights
from anymask.engines.registry import ENGINES
from anymask.formats.registry import format_names

PROGRAMS = {
    "bash": 'eval "$(_ANYMASK_COMPLETE=bash_source anymask)"; COMP_WORDS=({words}); COMP_CWORD={place}; '
    '_anymask_completion anymask; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "fish": '_ANYMASK_COMPLETE=fish_source anymask | source; complete -C "{words}"',
    # zsh completes in its line editor alone: what its function reads is looked at instead
    "zsh": 'eval "$(_ANYMASK_COMPLETE=zsh_source anymask)"; (( $+functions[_anymask_completion] )) && '
    'COMP_WORDS="{words}" COMP_CWORD={place} _ANYMASK_COMPLETE=zsh_complete anymask',
}  # fmt: skip


def offered(*words: str) -> list[tuple[str, str]]:
    """What is offered for the last of these words after `anymask`: value and kind."""
    completion = ShellComplete(cli.group, {}, "anymask", "_ANYMASK_COMPLETE")
    return [(each.value, each.type) for each in completion.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.slow
@pytest.mark.parametrize("shell", PROGRAMS)
def test_a_shell_offers_the_models(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    words = "anymask segment --model mobile"
    line = PROGRAMS[shell].format(words=words, place=3)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if shell == "zsh":
        line = f"compdef() {{ :; }}; {line}"
    done = subprocess.run(
        [program, "-c", line], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert "mobile-sam" in done.stdout, done.stderr
    assert "fastsam-s" not in done.stdout


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["segment", "--model", "sam-vit-"], ["sam-vit-b", "sam-vit-l", "sam-vit-h"]),
        (["models", "pull", "coco"], ["coco-ssd"]),
        (["export", "mobile"], ["mobile-sam"]),
        (["detect", "--detector", "au"], ["auto"]),
        (["segment", "--detector", "coco"], ["coco-ssd"]),
        (["serve", "--detector", "coco"], ["coco-ssd"]),
        (["segment", "--engine", ""], ["auto", *ENGINES]),
        (["convert", "--to", ""], list(format_names())),
        (["convert", "--from", "label"], [name for name in format_names() if name.startswith("label")]),
        (["batch", "--format", "coc"], ["coco"]),
        (["stats", "--from", "yo"], ["yolo"]),
        (["segm"], ["segment"]),
    ],
)
def test_names_are_offered(words: list[str], values: list[str]) -> None:
    assert sorted(value for value, _ in offered(*words)) == sorted(values)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["segment", "dog"], "file"),
        (["batch", "ima"], "file"),
        (["batch", "--prompts", "b"], "file"),
        (["segment", "--model", "./own"], "file"),
        (["batch", "--status", "o"], "dir"),
        (["export", "mobile-sam", "--to", "o"], "dir"),
    ],
)
def test_the_shell_offers_its_files(words: list[str], kind: str) -> None:
    assert offered(*words) == [(words[-1], kind)]


def test_every_option_with_a_name_or_a_file_completes() -> None:
    """An option that takes a model, a detector, a format or a file offers them, whatever the command."""
    silent = []
    for name in cli.COMMANDS:
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command is not None
        below = command.commands.values() if isinstance(command, click.Group) else ()
        for each in (command, *below):
            for parameter in each.params:
                takes = {"--model", "--detector", "--format", "--segmenter"} & set(parameter.opts)
                if takes and not parameter.shell_complete(click.Context(each), ""):
                    silent.append(f"{name} {parameter.opts[0]}")
    assert not silent
    assert weights.default_model() in [value for value, _ in offered("segment", "--model", "")]
