"""Limits of the server as flags and environment variables."""

from __future__ import annotations

from typing import Any

import pytest

from anymask.cli import main
from anymask.cli.limit_options import flag_of, limits_of, variable_of
from anymask.server.limits import Limits
from anymask.structures.options import option_fields


def configuration(capsys: Any, *arguments: str) -> dict[str, list[str]]:
    assert main(["serve", "--show-config", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_every_limit_is_a_flag_and_a_variable_with_its_default(capsys: Any) -> None:
    shown = configuration(capsys)
    for each in option_fields(Limits):
        assert variable_of(flag_of(each)) in shown[flag_of(each)], each.name
    assert shown["--max-upload"][:2] == ["64", "MB"]
    assert shown["--max-pixels"][0] == "100"
    assert shown["--keep"][:2] == ["24", "HOURS"]
    assert float(shown["--max-memory"][0]) > 100, "half of this machine"


def test_flags_go_before_variables_and_variables_before_defaults(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_MAX_PROMPTS", "5")
    monkeypatch.setenv("ANYMASK_MAX_UPLOAD", "7")
    monkeypatch.setenv("ANYMASK_PORT", "8123")
    shown = configuration(capsys, "--max-upload", "0.5")
    assert shown["--max-prompts"] == ["5", "ANYMASK_MAX_PROMPTS", "environment"]
    assert shown["--max-upload"][:2] == ["0.5", "MB"]
    assert shown["--port"][0] == "8123"


def test_no_token_is_shown(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_TOKEN", "a-secret-of-this-test")
    assert main(["serve", "--show-config"]) == 0
    assert "a-secret" not in capsys.readouterr().out
    assert configuration(capsys)["--token"][0] == "(set)"


def test_values_reach_the_server_in_bytes_and_seconds() -> None:
    parameters = {each.name: 2 for each in option_fields(Limits)}
    values = limits_of(Limits, parameters)
    assert values["upload_bytes"] == 2 << 20
    assert values["pixels"] == 2_000_000
    assert values["idle_seconds"] == 7200.0
    assert values["job_seconds"] == 2.0
    assert isinstance(Limits(**values), Limits)


@pytest.mark.parametrize("arguments", [["--max-prompts", "0"], ["--keep", "0"], ["--max-memory", "-1"]])
def test_a_limit_of_nothing_is_refused(arguments: list[str], capsys: Any) -> None:
    assert main(["serve", "--show-config", *arguments]) == 2
    assert arguments[0] in capsys.readouterr().err
