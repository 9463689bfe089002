"""The folder of a project: what is an image, what was moved, and that nothing leaves it or is written over."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anymask.errors import InputError
from anymask.projects.images import GONE, ImageFilter, safe_file_name
from anymask.projects.objects import ObjectChange
from anymask.projects.places import ProjectPlace
from anymask.projects.project import Project, images_folder_of
from anymask.structures import rle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images of different sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(1, 13):
        PIL.Image.new("RGB", (20 + number, 10)).save(folder / f"image {number}.png")
    return folder


def names(folder: Path, filter: ImageFilter | None = None) -> list[str]:
    with Project(ProjectPlace.of(folder)) as project:
        return [each.name for each in project.images.listed(filter)]


def test_names_are_in_the_order_of_their_numbers(folder: Path) -> None:
    assert names(folder) == [f"image {number}.png" for number in range(1, 13)]
    assert names(folder, ImageFilter(text="GE 1")) == [f"image {number}.png" for number in (1, 10, 11, 12)]


def test_next_goes_round(folder: Path) -> None:
    with Project(ProjectPlace.of(folder)) as project:
        images = project.images
        last, first = images.listed()[-1], images.listed()[0]
        images.set_states([each.number for each in images.listed()[1:-1]], "done", classes_required=False)
        for after, forward, expected in ((first, True, last), (last, True, first), (first, False, last)):
            assert images.next(after.number, forward, ImageFilter(("todo",))) == expected
        assert images.next(first.number, True, ImageFilter(("skipped",))) is None


def test_objects_follow_a_file_that_was_renamed_and_stay_with_one_that_is_gone(folder: Path) -> None:
    with Project(ProjectPlace.of(folder)) as project:
        for name in ("image 1.png", "image 2.png"):
            number = project.images.find(name)
            assert number is not None
            size = (project.images.read_head(number).height, project.images.get(number).width)
            mask = np.ones(size, np.bool_)
            project.sessions.save(number, 0, [ObjectChange("a", rle.encode(mask))])
    (folder / "sub").mkdir()
    (folder / "image 1.png").rename(folder / "sub" / "first.png")
    (folder / "image 2.png").unlink()
    with Project(ProjectPlace.of(folder)) as project:
        listed = {each.name: (each.objects, each.problem) for each in project.images.listed()}
    assert "image 1.png" not in listed
    assert listed["sub/first.png"] == (1, None)
    assert listed["image 2.png"] == (1, GONE)


def test_an_image_that_changed_says_so(folder: Path) -> None:
    with Project(ProjectPlace.of(folder)) as project:
        number = project.images.find("image 3.png")
        assert number is not None
        project.images.set_opened(number, "a" * 64, (23, 10), [])
        project.sessions.save(number, 0, [ObjectChange("a", rle.encode(np.ones((10, 23), np.bool_)))])
        assert not project.sessions.read(number).is_changed
        PIL.Image.new("RGB", (50, 60)).save(folder / "image 3.png")
        assert project.images.opened(number) is None
        project.images.set_opened(number, "b" * 64, (50, 60), [])
        session = project.sessions.read(number)
        assert session.is_changed
        assert [each.rle["size"] for each in session.objects] == [[10, 23]]
        project.sessions.save(number, 1, [ObjectChange("a")])
        assert project.sessions.read(number).is_changed, "objects of the file before are still there"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/photo.jpg", "etc/photo.jpg"),
        ("/etc/photo.jpg", "etc/photo.jpg"),
        ("C:\\photos\\a.jpg", "C-/photos/a.jpg"),
        (".anymask/project.jpg", "anymask/project.jpg"),
        ("a\0b\n.jpg", "a-b-.jpg"),
        ("\ud800.jpg", "-.jpg"),
        ("x" * 400 + ".jpg", None),
    ],
)
def test_names_of_added_images_stay_inside(name: str, safe: str | None) -> None:
    found = safe_file_name(name)
    assert found == safe if safe is not None else len(found) <= 240 and found.endswith(".jpg")


@pytest.mark.parametrize("name", ["", "..", "/", "../..", "..."])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no name of a file"):
        safe_file_name(name)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_lead_nothing_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    with Project(ProjectPlace.of(folder)) as project, pytest.raises(InputError, match="outside the project"):
        project.images.add("link/new/photo.png", b"x")
    assert list(outside.iterdir()) == []


def test_a_project_elsewhere_belongs_to_its_folder(folder: Path, tmp_path: Path) -> None:
    with Project(ProjectPlace.of(folder, tmp_path / "work")) as project:
        project.classes.add("cat")
    assert not (folder / ".anymask").exists()
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match=r"is the project of .*photos, not of .*other"):
        Project(ProjectPlace.of(other, tmp_path / "work"))
    folder.rename(tmp_path / "moved")
    with Project(ProjectPlace.of(tmp_path / "moved", tmp_path / "work")) as project:
        assert [each.name for each in project.classes.all()] == ["cat"]


def test_a_copy_of_a_project_with_its_images_works_elsewhere(folder: Path, tmp_path: Path) -> None:
    """As restored from a backup on the same machine, where the first one is still there."""
    with Project(ProjectPlace.of(folder, tmp_path / "work")) as project:
        project.classes.add("cat")
    backup = tmp_path / "backup"
    shutil.copytree(folder, backup / "photos")
    shutil.copytree(tmp_path / "work", backup / "work")
    assert images_folder_of(backup / "work") == backup / "photos"
    with Project(ProjectPlace.of(backup / "photos", backup / "work")) as project:
        assert [each.name for each in project.classes.all()] == ["cat"]
    shutil.rmtree(folder)
    assert images_folder_of(backup / "work") == backup / "photos"


def test_a_project_of_an_earlier_version_that_was_copied_works_elsewhere(folder: Path, tmp_path: Path) -> None:
    with Project(ProjectPlace.of(folder, tmp_path / "work")):
        pass
    with sqlite3.connect(tmp_path / "work" / "project.sqlite") as base:  # it stored the whole path alone
        base.execute("DELETE FROM project WHERE name = 'images_from_project'")
    base.close()
    shutil.copytree(folder, tmp_path / "elsewhere")
    shutil.move(tmp_path / "work", tmp_path / "work 2")
    with Project(ProjectPlace.of(tmp_path / "elsewhere", tmp_path / "work 2")) as project:
        assert project.images.missing() == 0
    assert images_folder_of(tmp_path / "work 2") == tmp_path / "elsewhere"


def test_missing_images_are_counted_and_a_line_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    with Project(ProjectPlace.of(folder, tmp_path / "work")):
        pass
    (folder / "image 3.png").unlink()
    with Project(ProjectPlace.of(folder, tmp_path / "work")) as project:
        assert project.as_dict()["missing"] == 1
    folder.rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"photos any more: .* anymask label FOLDER --project .*work"):
        images_folder_of(tmp_path / "work")
    with Project(ProjectPlace.of(tmp_path / "moved", tmp_path / "work")):
        pass
    assert images_folder_of(tmp_path / "work") == tmp_path / "moved"


def test_what_is_no_folder_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file; name the folder of the images"):
        ProjectPlace.of(folder / "image 1.png")
    with pytest.raises(InputError, match="no such folder"):
        ProjectPlace.of(tmp_path / "nothing")
    (folder / ".anymask").mkdir()
    (folder / ".anymask" / "project.sqlite").write_text("nonsense, and long enough to be no database at all")
    with pytest.raises(InputError, match="is damaged, or not a project of anymask"):
        Project(ProjectPlace.of(folder))
