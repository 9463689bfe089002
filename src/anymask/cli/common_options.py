"""The options that commands share, so that each has one name, one meaning and one help line.

```python
@click.command()
@common_options
def command(model, engine, precision, threads, device, allow, out, as_json, quiet): ...
```
"""

from collections.abc import Collection
from pathlib import Path

import click

from anymask.cli.completion import (
    complete_detectors,
    complete_models,
)
from anymask.cli.option_groups import GENERAL, MODEL, OUTPUT, Command, add_options, command_option
from anymask.engines.registry import DEVICES, ENGINES, PRECISIONS

ENGINE_CHOICES = ("auto", *ENGINES)

model_option = command_option(
    "--model",
    shell_complete=complete_models,
    default="mobile-sam",
    show_default=True,
    metavar="NAME",
    help="A name from anymask models list, or a checkpoint file.",
)


def _settings(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read NAME=NUMBER, each name once."""
    settings: dict[str, float] = {}
    for each in values:
        name, equals, text = each.partition("=")
        name = name.strip().replace("-", "_")
        try:
            value: float = int(text) if text.strip().isdigit() else float(text)
        except ValueError:
            equals = ""
        if not (equals and name.isidentifier()) or name in settings:
            raise click.BadParameter(f"{each!r}: it takes NAME=NUMBER, each name once, for example imgsz=1024")
        settings[name] = value
    return settings


settings_option = command_option(
    "--model-option",
    "settings",
    group=MODEL,
    multiple=True,
    callback=_settings,
    metavar="NAME=NUMBER",
    help="A setting of the model's family: FastSAM has imgsz, conf, iou and max_det; SAM has none.",
)
engine_option = command_option(
    "--engine", type=click.Choice(ENGINE_CHOICES), default="auto", show_default=True, help="What runs the networks."
)
precision_option = command_option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="Number format of the networks; auto takes bf16 only where the CPU has it, int8 is for mobile-sam.",
)
threads_option = command_option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads; by default all that are available."
)
device_option = command_option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="What the networks run on; auto takes a CUDA GPU where the installed ONNX Runtime can use one.",
)
allow_option = command_option(
    "--allow",
    metavar="LICENCES",
    help="Refuse weights under any other licence, e.g. apache-2.0,mit; also ANYMASK_ALLOW.",
)
detector_option = command_option(
    "--detector",
    shell_complete=complete_detectors,
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Detector for text.",
)
host_option = command_option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."
)
token_option = command_option(
    "--token",
    metavar="TEXT",
    envvar="ANYMASK_TOKEN",
    help="Required of every request; generated for addresses other than this machine. Also ANYMASK_TOKEN.",
)
out_option = command_option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the results; created if missing."
)
json_option = command_option(
    "--json", "as_json", is_flag=True, group=OUTPUT, help="Print JSON on standard output and nothing else there."
)


def _show_log(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        from anymask.cli.progress import shown_log

        ctx.with_resource(shown_log())


verbose_option = command_option(
    "--verbose",
    "-v",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_log,
    group=GENERAL,
    help="Print details: models, engines, times and files.",
)
_quiet_option = command_option(
    "--quiet", "-q", is_flag=True, group=GENERAL, help="No progress and no remarks, only errors."
)
quiet_option = add_options(_quiet_option, verbose_option)
"""Adds --quiet and --verbose (which passes no argument)."""
debug_option = command_option(
    "--debug",
    is_flag=True,
    group=GENERAL,
    expose_value=False,
    help="Show the traceback of an error; also ANYMASK_DEBUG=1.",
)
"""Only declared: `anymask.cli.main` looks for it itself, so that a usage error can show its traceback too."""


def refuse_options(names: Collection[str], reason: str) -> None:
    """Refuse options of the running command that would change nothing.

    Args:
        names: of the parameters.
        reason: what is said after the option, such as "is about --text, which is missing".

    Raises:
        UsageError: one of them is on the command line.
    """
    context = click.get_current_context(silent=True)
    for parameter in context.command.params if context is not None else ():
        name = parameter.name or ""
        source = context.get_parameter_source(name) if context is not None else None
        if name in names and parameter.expose_value and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} {reason}", context)


RUNTIME_OPTIONS = ("engine", "precision", "threads", "device", "allow")
"""Parameters of `runtime_options` beside `model`; `anymask.load` and `load_detector` take them."""


runtime_options = add_options(
    model_option, engine_option, precision_option, threads_option, device_option, allow_option, group=MODEL
)
"""Adds --model, --engine, --precision, --threads, --device and --allow."""

output_options = add_options(out_option, json_option, quiet_option, debug_option, group=OUTPUT)
"""Adds --out, --json (`as_json`), --quiet and --debug (which passes no argument)."""


def common_options(command: Command) -> Command:
    """Add every option of `runtime_options` and `output_options`."""
    return runtime_options(output_options(command))
