"""The `anymask` command: a table of commands that load when they are called, and one place that prints errors.

Exit codes: 0 done, 2 bad input or usage, 1 any other failure, 130 interrupted, 143 terminated by SIGTERM.
"""

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

import click

from anymask._version import __version__
from anymask.cli.common_options import debug_option
from anymask.cli.suggesting_group import SuggestingGroup
from anymask.errors import AnymaskError, InputError, one_line
from anymask.io.atomic import protected_inputs

COMMANDS: dict[str, tuple[str, str]] = {
    "segment": ("anymask.cli.segment", "Masks of objects from points, boxes or text."),
    "detect": ("anymask.cli.detect", "Boxes of the objects that a text names."),
    "everything": ("anymask.cli.everything", "All objects of an image, without prompts."),
    "batch": ("anymask.cli.batch", "The same for many images, resumable, on many machines."),
    "track": ("anymask.cli.track", "Objects followed through the frames of a video."),
    "replay": ("anymask.cli.replay", "The masks of an earlier result made again, and compared."),
    "label": ("anymask.cli.label", "Label a folder of images in the browser."),
    "serve": ("anymask.cli.serve", "The browser application and the HTTP interface."),
    "mcp": ("anymask.cli.mcp", "Tools for assistants (Model Context Protocol)."),
    "cutout": ("anymask.cli.cutout", "Objects without their background, with soft edges."),
    "inpaint": ("anymask.cli.inpaint", "Objects repainted; everything else untouched."),
    "draw": ("anymask.cli.draw", "Overlays, contact sheets and animations of masks."),
    "convert": ("anymask.cli.convert", "Masks from one file format to another."),
    "stats": ("anymask.cli.stats", "What a dataset holds, and what is wrong with it."),
    "evaluate": ("anymask.cli.evaluate", "How good the masks are on images with ground truth."),
    "doctor": ("anymask.cli.doctor", "Whether this installation works, how exactly and how fast."),
    "models": ("anymask.cli.models", "List, fetch, check and remove model weights."),
    "export": ("anymask.cli.export", "A model as ONNX or OpenVINO files for other programs."),
    "cache": ("anymask.cli.cache", "What is stored on this machine, and its removal."),
}
"""Command name → (module that holds a click command named `command`, line for the help)."""


class LazyGroup(SuggestingGroup):
    """A group whose help needs no command's module, so that `anymask --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command and return the command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from the static lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has its own help: anymask COMMAND --help",
)
@click.version_option(__version__, "--version", message="anymask %(version)s")
@debug_option
@click.pass_context
def group(ctx: click.Context) -> None:
    """Object masks from clicks, boxes or text, on an ordinary CPU."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        args: the arguments after the program's name; None takes those of the process.
    """
    if args is not None:
        return _run(list(args), own_process=False)
    try:
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, _raise_terminated)
        code = _run(sys.argv[1:], own_process=True)
        with contextlib.suppress(ValueError):  # all is written: a signal now ends the process without a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except KeyboardInterrupt as error:  # before the command began, or after it
        return _interrupted(error, own_process=True)
    return code


def _run(arguments: list[str], own_process: bool) -> int:
    try:
        with protected_inputs(), warnings.catch_warnings():
            if not _debug_wanted(arguments):
                warnings.filterwarnings("ignore", module="PIL")  # it warns of damage that our own line then explains
                warnings.showwarning = _print_warning
                if {"--quiet", "-q"} & set(arguments):
                    warnings.simplefilter("ignore")
            result = group.main(arguments, prog_name="anymask", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (KeyboardInterrupt, click.Abort) as error:
        return _interrupted(_find_interrupt(error) or error, own_process)
    except Exception as error:
        if (interrupt := _find_interrupt(error)) is not None:
            return _interrupted(interrupt, own_process)
        if _debug_wanted(arguments):
            _print_traceback()
        code, line = _describe(error)
        click.echo(f"anymask: {line}", err=True)
        return code


def _debug_wanted(arguments: list[str]) -> bool:
    """Whether tracebacks are wanted, even when the arguments could not be parsed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--debug" in options or os.environ.get("ANYMASK_DEBUG", "") not in ("", "0")


def _print_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *place: object, **more: object
) -> None:
    """Print a warning as one line, without its place in the source."""
    from anymask.cli.progress import say

    say(f"anymask: {one_line(message)}")


def _describe(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error and the one line that tells it."""
    if isinstance(error, click.ClickException):
        return error.exit_code, one_line(error.format_message()) + _help_hint(error)
    if isinstance(error, InputError):
        return 2, one_line(error)
    if isinstance(error, AnymaskError):
        return 1, one_line(error)
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return 1, f"{one_line(error.strerror).lower()}{place}; run with --debug to see where"
    text = one_line(error)
    described = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return 1, f"internal error ({described}); run with --debug to see where"


def _help_hint(error: click.ClickException) -> str:
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return ""
    return f" (see {error.ctx.command_path} --help)"


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


class _Terminated(KeyboardInterrupt):
    """SIGTERM came. It ends a command as Ctrl-C does, so that drafts are removed and what is done is recorded."""


def _raise_terminated(number: int, frame: object) -> None:
    raise _Terminated


def _interrupted(error: BaseException, own_process: bool) -> int:
    """Say so. Our own process ends without waiting for its threads.

    A thread that was being started when Ctrl-C came is known to nobody, and the interpreter would wait for it forever.
    """
    code, line = (143, "terminated") if isinstance(error, _Terminated) else (130, "interrupted")
    if own_process:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        click.echo(f"anymask: {line}", err=True)
    if own_process:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    return code


def _find_interrupt(error: BaseException | None) -> KeyboardInterrupt | None:
    """Ctrl-C or SIGTERM that came while something caught everything: extension modules make an ImportError of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _silence_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush finds no broken pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
