"""A sequence of random commands on a small folder, some interrupted, with what must hold after each.

After every command: no input and no file of the user has changed; what has changed is the command's to write; every
file under a final name is complete. After a command that was not interrupted: its files are the only ones of its
folder, and there is no draft. After one that was refused: nothing has changed. At the end each interrupted command
runs again, and then every file is one of the user's, or one of the last command that wrote it.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import PIL.Image

from anymask.io.results_folder import FolderRecord
from tests.support.command_processes import CommandProcesses, Ended
from tests.support.tiny_images import make_images
from tests.support.whole_files import check_whole, is_draft, is_unpublished, snapshot

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {-9: signal.SIGKILL, 143: signal.SIGTERM, -15: signal.SIGTERM, 130: signal.SIGINT, -2: signal.SIGINT}
FORMATS = {
    "coco": "c.json", "yolo": "yolo", "voc": "voc", "cvat": "cvat.xml", "labelme": "labelme", "csv": "t.csv",
    "png": "pngs", "folder": "copy", "geojson": "g.geojson",
}  # fmt: skip
"""Format → what `convert --out` names."""

_IMAGES = ("photos/photo_1.png", "photos/photo_2.png", "other/photo_1.png")
_INPUTS = ("photos/", "other/", "prompts.csv")
_QUICK = ("--threads", "1")


@dataclass(frozen=True)
class Step:
    """A command.

    Attributes:
        arguments: of the command line.
        may_write: patterns of paths that it may write, or delete if it wrote them.
        exact: whether its folder holds the files of one run alone.
    """

    arguments: tuple[str, ...]
    may_write: tuple[str, ...] = ()
    exact: bool = False


def prepare(folder: Path, processes: CommandProcesses) -> None:
    """Make images, two of them of one name, and some results of them."""
    make_images(folder / "photos", 2)
    (folder / "other").mkdir()
    pixels = np.asarray(PIL.Image.open(folder / "photos/photo_2.png"))
    PIL.Image.fromarray(pixels[:, ::-1]).save(folder / "other/photo_1.png")
    inputs = snapshot(folder)
    for arguments in (
        ("segment", *_IMAGES, "--point", "16,14"),
        ("everything", _IMAGES[0], "--points-per-side", "2", "--out", "named"),
        ("batch", "photos", "--prompts", "prompts.csv", "--workers", "1", "--out", "job"),
    ):
        assert processes.run((*arguments, *_QUICK), folder).code == 0
    assert {name: snapshot(folder)[name] for name in inputs} == inputs


@dataclass
class Soak:
    """One sequence; `run` raises AssertionError with all commands so far.

    Attributes:
        folder: that `prepare` made; everything happens in it.
        chance: decides everything but the time that commands take.
    """

    folder: Path
    chance: random.Random
    processes: CommandProcesses
    history: list[str] = field(default_factory=list)
    interrupted: list[Step] = field(default_factory=list)
    interruptions: int = 0
    users: dict[str, str] = field(default_factory=dict)
    """Files that no command may change → their sha256."""

    def run(self, length: int) -> None:
        """Run so many commands."""
        self.users = {name: content for name, content in snapshot(self.folder).items() if name.startswith(_INPUTS)}
        try:
            for _ in range(length):
                if self.chance.random() < 0.15:
                    self._be_the_user()
                step = self._choose()
                self._run(step, interrupt=self.chance.random() < 0.5)
            for step in reversed(self.interrupted):
                self._run(step, interrupt=False)
            left = [name for name in snapshot(self.folder) if is_draft(name)]
            assert not left, f"drafts stay around: {left}"
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.history])) from error

    # ---------------------------------------------------------------- what happens

    def _be_the_user(self) -> None:
        """Edit a file that a command wrote, put one where commands write, or delete one."""
        files = [name for name in snapshot(self.folder) if name not in self.users and not is_draft(name)]
        kind = self.chance.choice(("edit", "add", "delete"))
        images = [name for name in files if name.endswith(".png")]
        if kind == "edit" and images:
            name = self.chance.choice(images)
            with PIL.Image.open(self.folder / name) as image:
                image.load()
            image.putpixel((0, 0), image.getpixel((1, 1)))
            image.info["edited"] = "by hand"
            image.save(self.folder / name, compress_level=9, dpi=(self.chance.randrange(50, 500),) * 2)
        elif kind == "add":
            place = self.chance.choice(("anymask-out/photo_1", "anymask-out", "named", "new/yolo"))
            name = f"{place}/{self.chance.choice(('mask_001.png', 'photo_2-cutout.png', 'notes.png'))}"
            if (self.folder / name).exists():
                return
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new("L", (3, 2), self.chance.randrange(256)).save(self.folder / name)
        elif images:
            name = self.chance.choice(images)
            (self.folder / name).unlink()
            self.history.append(f"  the user deletes {name}")
            return
        else:
            return
        self.users[name] = snapshot(self.folder)[name]
        self.history.append(f"  the user writes {name}")

    def _choose(self) -> Step:
        """A command."""
        kinds = (*("segment", "cutout", "convert") * 3, *("everything", "batch") * 2, "replay")
        step: Step = getattr(self, f"_{self.chance.choice(kinds)}")()
        return step

    def _segment(self) -> Step:
        prompts = (("--point", "16,14"), ("--box", "4,4,30,30", "--box", "20,8,50,40", "--soft"))
        return self._into_folder("segment", self.chance.choice(prompts))

    def _everything(self) -> Step:
        return self._into_folder("everything", ("--points-per-side", "2"))

    def _into_folder(self, command: str, options: tuple[str, ...]) -> Step:
        image = self.chance.choice(_IMAGES)
        out = self.chance.choice((None, None, "named", "deep/named"))
        if out is None:
            places = (f"anymask-out/{Path(image).stem}/*", f"anymask-out/{Path(image).stem}-[0-9]*/*")
            return Step((command, image, *options, *_QUICK), places, exact=True)
        return Step((command, image, *options, *_QUICK, "--out", out), (f"{out}/*",), exact=True)

    def _cutout(self) -> Step:
        image = self.chance.choice(_IMAGES)
        several = ("--separate", "--box", "4,4,30,30", "--box", "20,8,50,40")
        words = ("cutout", image, *self.chance.choice((several, ("--point", "16,14"))), "--edges", "smooth", *_QUICK)
        if self.chance.random() < 0.5:
            return Step((*words, "--out", "cut/c.png"), ("cut/c.png", "cut/c_[0-9][0-9][0-9].png"))
        return Step(words, (f"anymask-out/{Path(image).stem}-cutout*.png",))

    def _batch(self) -> Step:
        words = ("batch", "photos", "--prompts", "prompts.csv", "--workers", "1", *_QUICK)
        out = self.chance.choice(("job", "job", "new/job"))
        format = self.chance.choice(((), ("--format", "yolo"), ("--format", "coco"), ("--format", "labelme")))
        return Step((*words, *format, "--out", out), (f"{out}/*",))

    def _replay(self) -> Step:
        source = self.chance.choice(self._results())
        out = self.chance.choice(((), ("--out", "again"))) if not source.endswith("job") else ()
        return Step(("replay", source, *_QUICK, *out), ("again/*",))

    def _convert(self) -> Step:
        format = self.chance.choice(tuple(FORMATS))
        out = self.chance.choice(("", "new/", "new/deep/")) + FORMATS[format]
        return Step(("convert", self.chance.choice(self._results()), "--to", format, "--out", out), (out, f"{out}/*"))

    def _results(self) -> list[str]:
        """Folders that `convert` and `replay` read."""
        indexes = [*self.folder.rglob("masks.json"), *self.folder.rglob("manifest.sqlite")]
        folders = {path.parent.relative_to(self.folder).as_posix() for path in indexes}
        return sorted(name for name in folders if not is_draft(name))

    # ---------------------------------------------------------------- what must hold

    def _run(self, step: Step, interrupt: bool) -> None:
        before = snapshot(self.folder)
        number = self.chance.choice(SIGNALS)
        moment = self._moment(step) if interrupt else None
        ended = self.processes.run(step.arguments, self.folder, (number, moment) if moment else None)
        after = snapshot(self.folder)
        self.history.append(f"  anymask {' '.join(step.arguments)}  -> {ended.code} after {ended.seconds:.2f} s")
        stopped = CODES.get(ended.code)
        assert stopped is None or (interrupt and stopped == number), f"ended by itself: {ended}"
        assert ended.code in (0, 2, *CODES), ended
        assert "Traceback" not in ended.errors, ended.errors
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        self._check_changes(step, changed, ended)
        check_whole(self.folder, [name for name in changed if name in after and not is_unpublished(name)])
        self._check_datasets()
        if stopped:
            self.interrupted.append(step)
            self.interruptions += 1
        if stopped != signal.SIGKILL:
            new = [name for name in changed if is_draft(name) and name in after]
            assert not new, f"drafts stay around: {new}"
        if ended.code == 0 and step.exact:
            self._check_folder_of(ended)
        self._check_records()

    def _moment(self, step: Step) -> Callable[[float], bool]:
        """A random time, or a random time after the first draft appears."""
        after_start = self.chance.uniform(0, 1.2)
        if self.chance.random() < 0.4:
            return lambda seconds: seconds > after_start
        after_draft = self.chance.uniform(0, 0.03)
        known = {path for place in self._places(step) if place.is_dir() for path in place.iterdir()}
        first: list[float] = []

        def is_time(seconds: float) -> bool:
            if not first and self._has_new_draft(step, known):
                first.append(seconds)
            return bool(first) and seconds > first[0] + after_draft

        return is_time

    def _places(self, step: Step) -> list[Path]:
        """Folders in which drafts of a command lie."""
        folders = {self.folder / pattern.rsplit("/", 1)[0] for pattern in step.may_write if "[" not in pattern}
        return [self.folder, *folders, *(each.parent for each in folders)]

    def _has_new_draft(self, step: Step, known: set[Path]) -> bool:
        for place in self._places(step):
            with contextlib.suppress(OSError):
                drafts = {path for path in place.iterdir() if path.name.startswith((".anymask-", ".stage"))}
                if drafts - known:
                    return True
        return False

    def _check_changes(self, step: Step, changed: set[str], ended: Ended) -> None:
        files = snapshot(self.folder)
        for name, content in self.users.items():
            assert files.get(name) == content, f"{name} is the user's, and has changed"
        for name in changed:
            if not is_draft(name):
                assert any(fnmatch(name, each) for each in step.may_write), f"{name} is not this command's to change"
        if ended.code == 2:
            assert not [name for name in changed if name in files], f"a refused command changed {changed}"

    def _check_datasets(self) -> None:
        """A dataset whose folder is there is complete: its last file is there, too."""
        for labels in [*self.folder.rglob("labels"), *self.folder.rglob("SegmentationObject")]:
            if labels.is_dir() and not is_draft(labels.as_posix()):
                last = "data.yaml" if labels.name == "labels" else "labelmap.txt"
                assert (labels.parent / last).exists(), f"{labels} belongs to no complete dataset"

    def _check_folder_of(self, ended: Ended) -> None:
        """The folder of a run holds what the run printed, and files of the user."""
        printed = [line for line in ended.output.splitlines() if (self.folder / line).is_file()]
        indexes = [line for line in printed if re.search(r"(masks|detections)\.json$", line)]
        assert len(indexes) == 1, ended.output
        home = (self.folder / indexes[0]).parent
        there = {path.relative_to(self.folder).as_posix() for path in home.iterdir()}
        drafts = {name for name in there if is_draft(name)}
        assert there - drafts - set(printed) <= self.users.keys(), f"{home.name} mixes results: {there - set(printed)}"
        index = json.loads((self.folder / indexes[0]).read_text())
        assert set(index["folder"]["files"]) | {"masks.json"} == {Path(each).name for each in printed}

    def _check_records(self) -> None:
        """Each file of a folder of results is one that the record of the folder names, or the user's."""
        for index in self.folder.rglob("masks.json"):
            name = index.relative_to(self.folder).as_posix()
            if is_draft(name) or name.startswith(("again/", "new/", "copy/")):
                continue
            record = FolderRecord.read(index.parent)
            for path in index.parent.iterdir():
                relative = path.relative_to(self.folder).as_posix()
                if path.is_file() and relative not in self.users and path.name != ".anymask.json":
                    assert is_draft(relative) or (record is not None and record.owns(path.parent, path.name)), (
                        f"{relative} has no owner"
                    )
