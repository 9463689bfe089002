"""Folders of results that belong to one image and one command."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anymask.errors import InputError
from anymask.io.results_folder import check_owner, publish_results, staged_results
from tests.support.paused_process import Paused

NAMES = ("overlay.png", "mask_000.png", "mask_001.png", "labels.png")


def publish(folder: Path, files: dict[str, str], image: str = "a", command: str = "segment", **options) -> list[Path]:
    """Publish files of a text each, and a masks.json with the text of all."""
    with staged_results(folder, numbered=options.get("numbered", False)) as stage:
        for name, text in files.items():
            (stage / name).write_text(text)
        index = {"image": {"sha256": image}, "text": "".join(files.values())}
        (stage / "masks.json").write_text(json.dumps(index, indent=1))
        return publish_results(stage, folder, [*files, "masks.json"], "masks.json", image, command, **options)


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


DIES_HALFWAY = """
import json, os, signal, sys
from pathlib import Path
from anymask.io import results_folder

def half_of_publish(stage, folder, names):
    (stage / names[0]).replace(folder / names[0])
    os.kill(os.getpid(), signal.SIGKILL)

results_folder.publish = half_of_publish
folder = Path(sys.argv[1])
print("ready", flush=True)
with results_folder.staged_results(folder) as stage:
    names = ["mask_000.png", "mask_001.png", "masks.json"]
    for name in names[:2]:
        (stage / name).write_text("2")
    (stage / "masks.json").write_text(json.dumps({"image": {"sha256": "a"}, "text": "22"}))
    results_folder.publish_results(stage, folder, names, "masks.json", "a", "segment")
"""


def test_after_a_kill_between_two_files_the_folder_can_be_used_again(tmp_path):
    folder = tmp_path / "p"
    publish(folder, {"mask_000.png": "1", "mask_001.png": "1"})
    killed = Paused(DIES_HALFWAY, str(folder))
    with pytest.raises(AssertionError):
        killed.finish()
    assert (folder / "mask_000.png").read_text() == "2"
    assert (folder / "mask_001.png").read_text() == "1"
    check_owner(folder, "a")
    publish(folder, {"overlay.png": "3"})
    remaining = {name: text for name, text in content(folder).items() if not name.startswith(".anymask-")}
    assert remaining == {"overlay.png": "3"}


def test_other_files_in_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    publish(tmp_path, {"mask_000.png": "1"})
    publish(tmp_path, {"overlay.png": "2"})
    assert content(tmp_path) == {"notes.txt": "mine", "overlay.png": "2"}


def test_each_image_and_each_command_has_a_folder_of_its_own(tmp_path):
    def run(image: str, command: str) -> str:
        files = {"overlay.png": image + command}
        return publish(tmp_path / "p", files, image, command, numbered=True)[0].parent.name

    assert run("a", "segment") == "p"
    assert run("b", "segment") == "p-2"
    assert run("a", "everything") == "p-3"
    assert [run("b", "segment"), run("a", "segment"), run("a", "everything")] == ["p-2", "p", "p-3"]
    assert content(tmp_path / "p-2") == {"overlay.png": "bsegment"}


def test_a_name_that_is_too_long_is_shortened(tmp_path):
    files = publish(tmp_path / ("ä" * 200), {"overlay.png": "1"}, numbered=True)
    assert files[0].read_text() == "1"


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
    for folder in (tmp_path / "out" / "p", tmp_path / "new" / "p"):
        with pytest.raises(InputError, match="no such file"), staged_results(folder) as stage:
            publish_results(stage, folder, ["overlay.png", "masks.json"], "masks.json", "a", "segment")
    assert list((tmp_path / "out" / "p").iterdir()) == []
    assert not (tmp_path / "new").exists()


WRITER = """
import json, sys
from pathlib import Path
from anymask.io.results_folder import publish_results, staged_results

folder, image, rounds, numbered = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "numbered"
print("ready", flush=True)
sys.stdin.readline()
for round in range(rounds):
    text = f"{image} {round}"
    with staged_results(folder, numbered=numbered) as stage:
        names = [f"mask_{i:03d}.png" for i in range(8 if round % 2 else 3)]
        for name in names:
            (stage / name).write_text(text)
        (stage / "masks.json").write_text(json.dumps({"image": {"sha256": image}, "text": text}))
        publish_results(stage, folder, [*names, "masks.json"], "masks.json", image, "segment", numbered=numbered)
"""


def write_at_once(folder: Path, images: str, rounds: int, kind: str) -> None:
    """Run two processes that publish results in one folder, and wait for them."""
    writers = [Paused(WRITER, str(folder), image, str(rounds), kind) for image in images]
    for each in writers:
        each.go()
    for each in writers:
        each.finish()


def test_two_processes_that_publish_the_same_result_at_once_mix_no_files(tmp_path):
    write_at_once(tmp_path / "p", "aa", 150, "named")
    texts = content(tmp_path / "p")
    assert len(set(texts.values())) == 1
    assert json.loads((tmp_path / "p" / "masks.json").read_text())["text"] in texts.values()
    check_owner(tmp_path / "p", "a")


def test_two_processes_with_two_images_of_one_name_never_share_a_folder(tmp_path):
    for attempt in range(5):
        out = tmp_path / str(attempt)
        write_at_once(out / "p", "ab", 20, "numbered")
        assert sorted(path.name for path in out.iterdir()) == ["p", "p-2"]
        for folder in out.iterdir():
            image = json.loads((folder / "masks.json").read_text())["image"]["sha256"]
            assert set(content(folder).values()) == {f"{image} 19"}
