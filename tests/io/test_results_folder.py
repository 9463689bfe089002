"""Folders of results that belong to one image and one command."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.errors import InputError
from anymask.io.atomic import staged_folder
from anymask.io.results_folder import check_owner, own_folder, publish_results

NAMES = ("overlay.png", "mask_000.png", "mask_001.png", "labels.png")


def publish(folder: Path, files: dict[str, str], image: str = "a", command: str = "segment", **options) -> list[Path]:
    """Publish files of a text each, and a masks.json with the text of all."""
    with staged_folder(folder) as stage:
        for name, text in files.items():
            (stage / name).write_text(text)
        index = {"image": {"sha256": image}, "text": "".join(files.values())}
        (stage / "masks.json").write_text(json.dumps(index, indent=1))
        return publish_results(stage, [*files, "masks.json"], "masks.json", image, command, **options)


def content(folder: Path) -> dict[str, str]:
    """Name → text of all files but masks.json, which must be there."""
    assert (folder / "masks.json").is_file()
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != "masks.json"}


def test_a_new_run_replaces_its_files_and_removes_those_it_does_not_write(tmp_path):
    publish(tmp_path / "p", {"mask_000.png": "1", "mask_001.png": "1"})
    publish(tmp_path / "p", {"mask_000.png": "2"})
    assert content(tmp_path / "p") == {"mask_000.png": "2"}


def test_another_image_is_refused_and_changes_nothing(tmp_path):
    publish(tmp_path, {"mask_000.png": "1"})
    with pytest.raises(InputError, match="results of another image"):
        publish(tmp_path, {"mask_000.png": "2"}, image="b")
    assert content(tmp_path) == {"mask_000.png": "1"}
    publish(tmp_path, {"overlay.png": "2"}, image="b", overwrite=True)
    assert content(tmp_path) == {"overlay.png": "2"}


@pytest.mark.parametrize("edited", ["mask_000.png", "mask_001.png"])
def test_a_file_that_somebody_changed_is_neither_replaced_nor_removed(tmp_path, edited):
    publish(tmp_path, {"mask_000.png": "1", "mask_001.png": "1"})
    (tmp_path / edited).write_text("by hand")
    if edited == "mask_000.png":
        with pytest.raises(InputError, match=f"{edited} was not written by anymask, or has been changed"):
            publish(tmp_path, {"mask_000.png": "2"})
        assert content(tmp_path) == {"mask_000.png": "by hand", "mask_001.png": "1"}
    else:
        publish(tmp_path, {"mask_000.png": "2"})
        assert content(tmp_path) == {"mask_000.png": "2", "mask_001.png": "by hand"}


def test_masks_json_that_somebody_changed_is_not_replaced(tmp_path):
    publish(tmp_path, {"mask_000.png": "1"})
    index = tmp_path / "masks.json"
    index.write_text(index.read_text().replace('"text": "1"', '"text": "by hand"'))
    with pytest.raises(InputError, match=r"masks\.json was not written by anymask, or has been changed"):
        publish(tmp_path, {"mask_000.png": "2"})


def test_after_a_kill_between_two_files_the_folder_can_be_used_again(tmp_path, monkeypatch):
    publish(tmp_path, {"mask_000.png": "1", "mask_001.png": "1"})
    with monkeypatch.context() as patch:
        patch.setattr("anymask.io.results_folder.publish", half_of_publish)
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path, {"mask_000.png": "2", "mask_001.png": "2"})
    assert content(tmp_path)["mask_000.png"] == "2"
    assert content(tmp_path)["mask_001.png"] == "1"
    publish(tmp_path, {"overlay.png": "3"})
    assert content(tmp_path) == {"overlay.png": "3"}


def half_of_publish(stage: Path, names: list[str]) -> None:
    (stage / names[0]).replace(stage.parent / names[0])
    raise KeyboardInterrupt


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    publish(tmp_path, {"mask_000.png": "1"})
    publish(tmp_path, {"overlay.png": "2"})
    assert content(tmp_path) == {"notes.txt": "mine", "overlay.png": "2"}


def test_each_image_and_each_command_has_a_folder_of_its_own(tmp_path):
    def run(image: str, command: str) -> str:
        with own_folder(tmp_path / "p", image, command) as folder:
            publish(folder, {"overlay.png": image + command}, image, command)
        return folder.name

    assert run("a", "segment") == "p"
    assert run("b", "segment") == "p-2"
    assert run("a", "everything") == "p-3"
    assert [run("b", "segment"), run("a", "segment"), run("a", "everything")] == ["p-2", "p", "p-3"]
    assert content(tmp_path / "p-2") == {"overlay.png": "bsegment"}


def test_two_commands_at_once_do_not_share_a_folder_and_one_that_fails_leaves_none(tmp_path):
    folder = tmp_path / "out" / "p"
    with own_folder(folder, "a", "segment") as first, own_folder(folder, "b", "segment") as second:
        assert (first.name, second.name) == ("p", "p-2")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_shortened(tmp_path):
    with own_folder(tmp_path / ("ä" * 200), "a", "segment") as folder:
        assert folder.is_dir()


RUNS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sets(st.sampled_from(NAMES), min_size=1), st.booleans()), max_size=6
)


@given(RUNS)
@settings(max_examples=30)
def test_a_folder_holds_what_the_last_run_that_was_not_refused_wrote(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("runs") / "p"
    expected: dict[str, str] = {}
    owner = None
    for number, (image, names, overwrite) in enumerate(runs):
        files = dict.fromkeys(sorted(names), f"{image}{number}")
        try:
            publish(folder, files, image=image, overwrite=overwrite)
            assert owner in (None, image) or overwrite
            expected, owner = files, image
        except InputError:
            assert owner != image
            assert not overwrite
        if owner is not None:
            assert content(folder) == expected
            check_owner(folder, owner)


def test_a_run_that_fails_leaves_a_folder_that_was_there(tmp_path):
    (tmp_path / "out" / "p").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), own_folder(tmp_path / "out" / "p", "a", "segment"):
        raise KeyboardInterrupt
    assert list((tmp_path / "out" / "p").iterdir()) == []
    with pytest.raises(KeyboardInterrupt), own_folder(tmp_path / "new" / "p", "a", "segment"):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()
