"""Command line options that are derived from option dataclasses."""

from dataclasses import dataclass
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from anymask.automatic.options import GeneratorOptions
from anymask.cli import batch, cutout, detect, draw, evaluate, everything, inpaint, segment
from anymask.cli.option_fields import options_from, values_of
from anymask.detection.options import DetectionOptions
from anymask.prediction.options import SelectionOptions
from anymask.structures.image_options import ImageOptions
from anymask.structures.options import Options, option, option_fields


@dataclass(frozen=True)
class Blur(Options):
    kind: Literal["box", "gauss"] = option("gauss", "Which blur.")
    radius: float = option(2.0, "Of the blur.", above=0, at_most=10, unit="px")
    limit: int | None = option(None, "Most pixels.", at_least=1)
    shift: float = option(0.0, "Of the values.")
    kernel: Any = option(None, "Has no text form.")


@click.command()
@options_from(Blur)
def blur(**parameters: Any) -> None:
    click.echo(Blur(**values_of(Blur, parameters)))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(blur, arguments)
    return result.exit_code, result.output


def test_every_field_with_a_text_form_is_an_option_with_its_default_and_help() -> None:
    assert run("--kind", "box", "--radius", "3.5", "--limit", "4") == (
        0, "Blur(kind='box', radius=3.5, limit=4, shift=0.0, kernel=None)\n"
    )  # fmt: skip
    assert run() == (0, f"{Blur()}\n")
    _, text = run("--help")
    assert "--radius PIXELS" in text
    assert "Of the blur.  [default: 2; above 0 to 10]" in text
    assert "kernel" not in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("--radius=0", "--radius must be above 0 to 10, not 0"),
        ("--radius=11", "--radius must be above 0 to 10, not 11"),
        ("--limit=0", "--limit must be at least 1, not 0"),
        ("--limit=1.5", "Invalid value for '--limit': '1.5' is not a valid integer."),
        ("--kind=median", "Invalid value for '--kind': 'median' is not one of"),
    ],
)
def test_a_value_out_of_range_is_a_usage_error(wrong: str, line: str) -> None:
    code, text = run(wrong)
    assert code == 2
    assert line in text


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        (SelectionOptions, (segment, cutout, inpaint, batch)),
        (GeneratorOptions, (everything, batch)),
        (ImageOptions, (segment, everything, detect, inpaint, draw, batch, evaluate)),
        (DetectionOptions, (segment, detect, everything, batch)),
    ],
)
def test_every_command_has_every_option_that_it_uses(options: type[Options], commands: tuple[Any, ...]) -> None:
    names = {each.name for each in option_fields(options) if each.kind is not None}
    if options is DetectionOptions:  # the others have the names of options of everything mode
        names = {"threshold", "max_per_label", "zoom"}
    for module in commands:
        assert names <= {parameter.name for parameter in module.command.params}, module.__name__
