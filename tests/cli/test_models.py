"""`anymask models`, as a person types it."""

import json
from pathlib import Path

import pytest

from anymask.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_DATA", str(tmp_path / "data"))
    for name in ("ANYMASK_MODELS", "ANYMASK_ALLOW", "ANYMASK_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"trained at home")
    return path


@pytest.fixture
def bundled(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    """A model `far` that only a bundle describes, with its file in `brought/` and nothing in the cache."""
    assert main(["models", "add", "far", str(net), "--licence", "MIT", "--quiet"]) == 0
    assert main(["models", "pull", "far", "--to", str(tmp_path / "bundle"), "--quiet"]) == 0
    assert main(["models", "remove", "far", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "bundle" / "far").rename(tmp_path / "brought")
    monkeypatch.setenv("ANYMASK_MODELS", str(tmp_path / "bundle"))
    return tmp_path / "brought"


def test_list_shows_licences_size_and_what_is_here(capsys: Captured) -> None:
    assert main(["models", "list"]) == 0
    header, row, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "FAMILY", "SIZE", "WEIGHTS", "CODE", "CAN", "DO", "HERE"]
    assert row.split()[:6] == ["mobile-sam", "sam", "44.6", "MB", "Apache-2.0", "Apache-2.0"]
    assert row.endswith("points, boxes, mask-input, everything  no")


def test_models_alone_lists(capsys: Captured) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out.startswith("NAME")


def test_list_as_json(net: Path, capsys: Captured) -> None:
    main(["models", "add", "mine", str(net), "--licence", "MIT", "--encoder", "tinyvit", "--quiet"])
    assert main(["models", "list", "--json"]) == 0
    default, *_, mine = json.loads(capsys.readouterr().out)["models"]
    assert (default["name"], default["here"], default["size"]) == ("mobile-sam", False, 44_587_283)
    assert [file["fault"] for file in default["files"]] == ["absent", "absent"]
    assert mine == {
        "name": "mine",
        "family": "sam",
        "encoder": "tinyvit",
        "description": "",
        "homepage": "",
        "size": 15,
        "licence": {"weights": "MIT", "code": "MIT"},
        "capabilities": ["points", "boxes", "mask-input", "everything"],
        "here": True,
        "files": [
            {
                "name": "net.onnx",
                "size": 15,
                "sha256": "5d2a7b1f8a46452a1920d3410606ca39c12f01c1949c1d54ee54e4437c0a9b5e",
                "path": str(net),
                "fault": None,
            }
        ],
    }


def test_pull_from_a_folder_shows_the_licence_on_standard_error(bundled: Path, capsys: Captured) -> None:
    assert main(["models", "pull", "far", "--from", str(bundled)]) == 0
    printed = capsys.readouterr()
    assert printed.err == "fetching far: weights MIT, code MIT\n"
    assert printed.out.startswith("far: net.onnx in ")
    assert main(["models", "pull", "far"]) == 0
    assert capsys.readouterr().err == ""


def test_pull_as_json_prints_paths_only(bundled: Path, capsys: Captured, tmp_path: Path) -> None:
    assert main(["models", "pull", "far", "--from", str(bundled), "--json"]) == 0
    path = tmp_path / "cache" / "models" / "far" / "net.onnx"
    assert json.loads(capsys.readouterr().out) == {"far": {"net.onnx": str(path)}}
    assert path.read_bytes() == b"trained at home"


def test_pull_without_any_source_is_one_line_and_exit_1(bundled: Path, capsys: Captured) -> None:
    assert main(["models", "pull", "far"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("anymask: far: net.onnx cannot be fetched (ANYMASK_MODELS: not all of far is in ")


def test_pull_obeys_the_allow_list(bundled: Path, capsys: Captured) -> None:
    assert main(["models", "pull", "far", "--from", str(bundled), "--allow", "apache-2.0"]) == 1
    assert "its weights are under MIT, and only apache-2.0 may be used" in capsys.readouterr().err
    assert main(["models", "pull", "far", "--from", str(bundled), "--allow", "apache-2.0,mit"]) == 0


def test_unknown_model_is_refused_before_the_first_is_fetched(bundled: Path, capsys: Captured, tmp_path: Path) -> None:
    assert main(["models", "pull", "far", "farr", "--from", str(bundled)]) == 2
    assert capsys.readouterr().err == "anymask: unknown model 'farr'; did you mean far? (anymask models list)\n"
    assert not (tmp_path / "cache" / "models" / "far").exists()


def test_pull_to_a_folder_says_how_to_use_it(net: Path, capsys: Captured, tmp_path: Path) -> None:
    main(["models", "add", "mine", str(net), "--quiet"])
    assert main(["models", "pull", "mine", "--to", str(tmp_path / "bundle")]) == 0
    assert f"ANYMASK_MODELS={tmp_path / 'bundle'}" in capsys.readouterr().out
    assert (tmp_path / "bundle" / "mine" / "net.onnx").read_bytes() == b"trained at home"


def test_verify_names_what_is_wrong_and_exits_1(net: Path, capsys: Captured) -> None:
    main(["models", "add", "mine", str(net), "--quiet"])
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out == f"mine/net.onnx: exact ({net})\n"
    net.write_bytes(b"trained at work")
    assert main(["models", "verify", "--json"]) == 1
    printed = capsys.readouterr()
    assert "sha256" in json.loads(printed.out)["mine"][0]["fault"]
    assert "not as it should be: mine/net.onnx" in printed.err
    assert main(["models", "verify", "mobile-sam"]) == 1
    assert "mobile-sam/encoder.onnx: absent" in capsys.readouterr().out


def test_verify_with_nothing_here_says_what_to_do(capsys: Captured) -> None:
    assert main(["models", "verify"]) == 0
    assert "anymask models pull" in capsys.readouterr().out


def test_remove_says_what_it_freed(bundled: Path, net: Path, capsys: Captured, tmp_path: Path) -> None:
    main(["models", "pull", "far", "--from", str(bundled), "--quiet"])
    main(["models", "add", "mine", str(net), "--quiet"])
    capsys.readouterr()
    assert main(["models", "remove", "far", "mine"]) == 0
    assert capsys.readouterr().out == "far: 0.0 MB freed\nmine: 0.0 MB freed, no model any more\n"
    assert not (tmp_path / "cache" / "models" / "far").exists()
    assert net.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mine", "gone.onnx"], "anymask: Invalid value for 'FILE...': File 'gone.onnx' does not exist."),
        (["mine"], "anymask: Missing argument 'FILE...'."),
        (["mobile-sam", "NET"], "anymask: there is a model 'mobile-sam' already; take another name"),
        (["a/b", "NET"], "anymask: 'a/b' is no plain name"),
    ],
)
def test_wrong_additions_exit_2(arguments: list[str], line: str, net: Path, capsys: Captured) -> None:
    assert main(["models", "add", *(str(net) if each == "NET" else each for each in arguments)]) == 2
    assert capsys.readouterr().err.startswith(line)
