"""`anymask models`, as a person types it."""

import json
from pathlib import Path

import pytest

from anymask.cli import main
from anymask.evaluation.doctor.model_seconds import note_measured
from anymask.weights.measured import MeasuredModel

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


def test_list_shows_what_helps_to_choose(capsys: Captured) -> None:
    assert main(["models", "list"]) == 0
    printed = capsys.readouterr()
    header, row, *lines = printed.out.splitlines()
    assert header.split() == ["NAME", "HERE", "SIZE", "GMAC", "SECONDS", "LICENCE"]
    assert row.split() == ["mobile-sam", "no", "45", "MB", "37", "-", "Apache-2.0"]
    assert lines[0].strip() == "sam: points, boxes, mask-input, everything"
    assert "published: COCO mask AP 44.3 with boxes of FocalNet-DINO" in lines[2]
    assert "[HQ-SAM paper (arXiv:2306.01567), table 10]" in lines[3]
    assert max(map(len, printed.out.splitlines())) <= 80
    assert "not measured; run 'anymask doctor --models'" in printed.err


def test_list_shows_seconds_measured_on_this_machine_only(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_measured({"edge-sam": MeasuredModel(0.34, 2, "openvino", "f32")})
    assert main(["models", "list"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line[0] != " "}
    assert rows["edge-sam"][-2:] == rows["edge-sam-3x"][-2:] == ["0.3", "S-Lab-1.0"]  # of one architecture
    assert rows["mobile-sam"][-2] == "-"
    (path,) = (tmp_path / "cache" / "seconds").iterdir()
    for content in (path.read_text().replace(" cores", " other cores"), "{", "[]", '{"machine": 1}'):
        path.write_text(content)
        assert main(["models", "list", "--json"]) == 0
        assert {each["seconds"] for each in json.loads(capsys.readouterr().out)["to_bring"]} == {None}


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
        "gmac": None,
        "seconds": None,
        "good_at": None,
        "quality": None,
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


@pytest.mark.parametrize(
    ("words", "model", "better"),
    [
        ("I have 2 cores and want boxes", "mobile-sam", "efficientvit-sam-l0"),
        ("thin objects", "mobile-sam", "light-hq-sam"),
        ("clicks", "mobile-sam", None),
        ("everything on 4 cpus", "mobile-sam", None),
        ("find things by their names", "coco-ssd", "owlv2-base"),
    ],
)
def test_recommend_answers_in_three_lines(words: str, model: str, better: str | None, capsys: Captured) -> None:
    note_measured({"mobile-sam": MeasuredModel(0.8, 2, "openvino", "f32")})
    assert main(["models", "recommend", *words.split()]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{model}: ")
    assert (f"better, if you download its file: {better}" in second) is bool(better)
    assert third.startswith("anymask ")
    assert third.endswith(model)
    if "2 cores" in words:
        assert "on 2 cores, about 0.8 s an image; Apache-2.0" in first
        assert "about 0.8 s; COCO AP 45.7, where SAM ViT-H has 46.5" in second


def test_recommend_takes_cores_seconds_and_licences(capsys: Captured) -> None:
    note_measured({"mobile-sam": MeasuredModel(0.8, 2, "openvino", "f32")})
    assert main(["models", "recommend", "boxes", "--cores", "1", "--max-seconds", "1.2", "--json"]) == 2
    assert (
        "no model that may be used and is fetched by name does boxes within 1.2 s on 1 cores" in capsys.readouterr().err
    )
    assert main(["models", "recommend", "boxes", "in", "0.5", "s", "--cores", "4", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["best"]["name"], answer["best"]["seconds"]) == ("mobile-sam", 0.4)
    assert (answer["better"]["name"], answer["better"]["is_estimate"]) == ("efficientvit-sam-l0", True)
    allow = ["--allow", "apache-2.0,s-lab-1.0"]
    arguments = ["--for", "boxes", "--cores", "2", "--json"]
    assert main(["models", "recommend", "--max-seconds", "0.5", *arguments]) == 2
    assert main(["models", "recommend", "--max-seconds", "0.8", *arguments, *allow]) == 0
    assert capsys.readouterr().out.count('"name"') == 2
    assert main(["models", "recommend", "tea"]) == 2
    assert capsys.readouterr().err.startswith("anymask: 'tea' names nothing that a model does: say boxes, edges,")


def test_pull_from_a_folder_shows_the_licence_on_standard_error(bundled: Path, capsys: Captured) -> None:
    assert main(["models", "pull", "far", "--from", str(bundled)]) == 0
    printed = capsys.readouterr()
    assert printed.err == "fetching 0.0 MB, far: weights MIT, code MIT\n"
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
