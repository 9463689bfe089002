"""The command line's promises to every command: quick help, exit codes, one line per error."""

import os
import subprocess
import sys
from types import ModuleType

import click
import pytest

import anymask
from anymask import cli
from anymask.cli.common_options import common_options
from anymask.cli.evaluate import PROTOCOL_CHOICES
from anymask.errors import ImageError, WeightsError
from anymask.evaluation.settings import PROTOCOLS


def while_importing() -> ImportError:
    """What an extension module makes of Ctrl-C."""
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    return error


COMMAND = [sys.executable, "-m", "anymask"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """A command `fake` that raises what the test puts first into this list."""
    raised: list[BaseException | None] = [None]

    @click.command()
    @common_options
    def fake_command(**options: object) -> None:
        if raised[0] is not None:
            raise raised[0]
        click.echo(repr(sorted(options.items())))

    module = ModuleType("fake_command_module")
    module.command = fake_command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_command_module", module)
    monkeypatch.setitem(cli.COMMANDS, "fake", ("fake_command_module", "Only here for a test."))
    monkeypatch.delenv("ANYMASK_DEBUG", raising=False)
    return raised


def test_help_lists_every_command_without_importing_any() -> None:
    probe = (
        "import sys; from anymask.cli import main; main(['--help']); "
        "print(*(name.partition('.')[0] for name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    for name, (_, line) in cli.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert line in done.stdout
    heavy = {
        "numpy",
        "PIL",
        "cv2",
        "openvino",
        "onnxruntime",
        "onnx",
        "spox",
        "rich",
        "httpx",
        "filelock",
        "platformdirs",
    }
    assert not heavy & set(done.stderr.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"anymask {anymask.__version__}\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: anymask [OPTIONS]")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["modles"], "anymask: No such command 'modles'; did you mean models? (see anymask --help)"),
        (["zebra"], "anymask: No such command 'zebra'; there are "),
        (["models", "pul"], "anymask: No such command 'pul'; did you mean pull? (see anymask models --help)"),
        (["--versoin"], "anymask: No such option"),
        (["models", "list", "--jsn"], "anymask: No such option"),
        (["models", "remove"], "anymask: Missing argument 'NAME...'. (see anymask models remove --help)"),
        (["fake", "--threads", "0"], "anymask: --threads must be at least 1, not 0 (see anymask fake --help)"),
        (["fake", "--engine", "torch"], "anymask: Invalid value for '--engine': 'torch' is not one of"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(
    arguments: list[str], line: str, failing: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1


def test_mistyped_option_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "list", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ImageError("dogs.jpg: not a picture"), 2, "anymask: dogs.jpg: not a picture"),
        (WeightsError("no weights\nanywhere"), 1, "anymask: no weights anywhere"),
        (KeyError("x"), 1, "anymask: internal error (KeyError: 'x'); run with --debug to see where"),
        (ValueError(), 1, "anymask: internal error (ValueError); run with --debug to see where"),
        (KeyboardInterrupt(), 130, "anymask: interrupted"),
        (while_importing(), 130, "anymask: interrupted"),
        (OSError(28, "No space left on device"), 1, "anymask: no space left on device; run with --debug to see where"),
    ],
)
def test_every_error_is_one_line_with_its_exit_code(
    error: BaseException,
    code: int,
    line: str,
    failing: list[BaseException | None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing[0] = error
    assert cli.main(["fake"]) == code
    assert capsys.readouterr().err.strip() == line


@pytest.mark.parametrize("arguments", [["--debug", "fake"], ["fake", "--debug"]])
def test_debug_shows_the_traceback_before_or_after_the_command(
    arguments: list[str], failing: list[BaseException | None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing[0] = ImageError("dogs.jpg: not a picture")
    assert cli.main(arguments) == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "fake_command" in printed
    assert printed.endswith("anymask: dogs.jpg: not a picture\n")


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False), ("", False)])
def test_debug_by_environment(
    value: str,
    expected: bool,
    failing: list[BaseException | None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANYMASK_DEBUG", value)
    failing[0] = KeyError("x")
    assert cli.main(["fake"]) == 1
    assert ("Traceback" in capsys.readouterr().err) == expected


def test_common_options_and_their_defaults(failing: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fake", "--debug"]) == 0
    expected = {
        "allow": None,
        "as_json": False,
        "device": "auto",
        "engine": "auto",
        "model": "mobile-sam",
        "out": None,
        "precision": "auto",
        "quiet": False,
        "threads": None,
    }
    assert capsys.readouterr().out.strip() == repr(sorted(expected.items()))


def test_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "models", "list", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


def test_choices_of_options_are_those_of_the_library() -> None:
    assert PROTOCOL_CHOICES == PROTOCOLS


def test_an_option_of_selection_is_refused_by_a_protocol_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "nowhere", "--protocol", "alternatives", "--refine", "off"]) == 2
    assert "--refine has no meaning with --protocol alternatives" in capsys.readouterr().err
