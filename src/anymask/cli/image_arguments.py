"""What commands that take images share: one or several of them, `-` for standard streams, and folders of results.

```python
@click.command()
@images_argument
@image_options
@overwrite_option
@output_options
def command(images, out, as_json, quiet, overwrite, **parameters):
    results = ResultFolders(images, out, as_json, overwrite)
    open_input = ImageOpener(parameters, quiet, images)

    def run(path):
        image = open_input(path)
        folder = results.folder(path, image)   # None with --out -
        ...
        results.write_masks(masks, folder)

    return run_each(images, run, quiet)
```
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from anymask.cli.option_fields import options_from, values_of
from anymask.cli.option_groups import OPENING, OUTPUT, command_option
from anymask.errors import quantity
from anymask.io.file_names import shorten_name
from anymask.structures.image_options import ImageOptions

if TYPE_CHECKING:
    from anymask.io.image import Image
    from anymask.structures.mask_set import MaskSet

STANDARD_STREAM = Path("-")
DEFAULT_FOLDER = Path("anymask-out")
INTERRUPTED = 130

images_argument = click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True), metavar="IMAGE..."
)
overwrite_option = command_option(
    "--overwrite",
    is_flag=True,
    group=OUTPUT,
    help="Replace the results of another image, and files that anymask did not write.",
)


image_options = options_from(ImageOptions, group=OPENING)
"""Adds --window, --bands, --page, --max-pixels and --background; `ImageOpener` takes them."""


class ImageOpener:
    """Opens images of the command line as the options of `image_options` say, and prints what was chosen.

    Args:
        parameters: of the command.
        quiet: whether to print nothing.
        images: of the command line; of several, options that do not apply to one are left out with a note.
        only: names of the options that the command has; all if left out.

    Raises:
        InputError: a value that cannot be right.
    """

    def __init__(
        self, parameters: Mapping[str, Any], quiet: bool, images: Sequence[Path] = (), only: Sequence[str] = ()
    ) -> None:
        self._is_one_of_many = len(images) > 1
        self.options = ImageOptions(**values_of(ImageOptions, parameters, only))
        self._quiet = quiet

    def __call__(self, path: Path) -> Image:
        """Open an image; `-` is standard input.

        Raises:
            ImageError: it cannot be read.
        """
        source = sys.stdin.buffer.read() if path == STANDARD_STREAM else path
        image = self.options.open(source, is_one_of_many=self._is_one_of_many)
        print_notes(path, image.notes, self._quiet)
        return image


def print_notes(path: Path | str, notes: Sequence[str], quiet: bool) -> None:
    """Print what was chosen when an image was opened, on standard error."""
    from anymask.cli.progress import say

    for note in () if quiet else notes:
        say(f"anymask: {path}: {note}")


def name_of(path: Path) -> str:
    """The name of an image's results: that of its file without extension."""
    return "stdin" if path == STANDARD_STREAM else path.stem


class JsonOutput:
    """JSON for standard output: of one image as it is, of several as a list.

    Args:
        images: of the command line.
        as_json: whether it is wanted.

    Raises:
        UsageError: standard input is named twice.
    """

    def __init__(self, images: Sequence[Path], as_json: bool) -> None:
        if images.count(STANDARD_STREAM) > 1:
            raise click.UsageError("standard input is one image: give - once")
        self.as_json = as_json
        self._images = images
        self._entries: list[str] = []

    def add_json(self, text: str) -> None:
        """Take the JSON of one image for standard output, if it is wanted there."""
        if self.as_json:
            self._entries.append(text)

    @contextlib.contextmanager
    def json_at_the_end(self) -> Iterator[None]:
        """Print the JSON when the block ends, also by a failure: of one image as it is, of several as a list."""
        try:
            yield
        finally:
            if len(self._images) == 1:
                click.echo("".join(self._entries), nl=False)
            elif self.as_json:
                click.echo(json.dumps([json.loads(entry) for entry in self._entries], ensure_ascii=False, indent=1))


class ResultFolders(JsonOutput):
    """Where the results of a command go: a folder for each image, or standard output.

    Args:
        images: of the command line.
        out: `--out`: the folder of one image, the folder around those of several, or `-`.
        as_json: whether JSON goes to standard output.
        overwrite: whether to replace what belongs to another image.
    """

    def __init__(self, images: Sequence[Path], out: Path | None, as_json: bool, overwrite: bool) -> None:
        super().__init__(images, as_json or out == STANDARD_STREAM)
        self._out = out
        numbered = out is None or len(images) > 1
        self.options: dict[str, Any] = {"overwrite": overwrite, "numbered": numbered}
        """For `write_outputs` and `write_detections`."""

    def write_masks(self, masks: MaskSet, folder: Path | None, **options: Any) -> list[Path]:
        """Write masks into the folder of their image, and add their masks.json to the JSON for standard output.

        Args:
            masks: of one image.
            folder: of `folder`.
            options: of `anymask.formats.folder.write_outputs`.

        Returns:
            The files.
        """
        from anymask.formats.folder import write_outputs
        from anymask.formats.masks_json import dumps, to_dict

        if folder is None:
            self.add_json(dumps(to_dict(masks)).decode())
            return []
        written = write_outputs(masks, folder, **self.options, **options)
        if self.as_json:
            self.add_json(written[-1].read_text(encoding="utf-8"))
        return written

    def folder(self, path: Path, image: Image) -> Path | None:
        """The folder for the results of an image, which may get a number; None if they go to standard output.

        Raises:
            InputError: it may not be written; the one named by --out has results of another image, or files that
                anymask did not write.
        """
        from anymask.io.atomic import check_folder
        from anymask.io.results_folder import check_owner

        if self._out == STANDARD_STREAM:
            return None
        if self.options["numbered"]:
            folder = self._out or DEFAULT_FOLDER
            check_folder(folder)
            return folder / name_of(path)
        assert self._out is not None
        check_folder(self._out)
        if not self.options["overwrite"]:
            check_owner(self._out, image.sha256)
        return self._out


class ImageFiles(JsonOutput):
    """Where the images that a command makes go: a file for each image, or standard output.

    Args:
        images: of the command line.
        out: `--out`: the file of one image, the folder for those of several, or `-`.
        ending: of the names where `out` names no file, such as "-cutout".
        as_json: whether JSON goes to standard output.
        overwrite: whether to replace files in a folder.

    Raises:
        InputError: `out` cannot be, or is an input.
    """

    def __init__(self, images: Sequence[Path], out: Path | None, ending: str, as_json: bool, overwrite: bool) -> None:
        from anymask.errors import InputError

        super().__init__(images, as_json)
        self.to_stdout = out == STANDARD_STREAM
        if self.to_stdout and (as_json or len(images) > 1):
            raise InputError(
                "--out - writes one image to standard output: it cannot be combined with --json or a second image"
            )
        if len(images) > 1 and out is not None and out.is_file():
            raise InputError(f"--out {out} is a file: several images take a folder")
        self._is_named = out is not None and len(images) == 1
        self._out = out
        self._ending = ending
        self._overwrite = overwrite

    def file_for(self, path: Path) -> Path:
        """The file for the result of an image; without a number that `save` may give it.

        Raises:
            InputError: it is an input, or may not be written.
        """
        from anymask.io.atomic import check_folder, check_output

        if self._is_named:
            assert self._out is not None
            file = self._out
        else:
            file = (self._out or DEFAULT_FOLDER) / f"{name_of(path)}{self._ending}.png"
            file = file.with_name(shorten_name(file.name, 200))
        check_folder(file.parent)
        if self._is_named or self._overwrite:
            check_output(file)
        return file

    def save(self, file: Path, results: Sequence[Savable], quality: int | None) -> list[Path]:
        """Write the results of an image together, several under `name_000.png` ….

        Args:
            file: of `file_for`. If the user did not name it, the first of `name-2`, `name-3` … is taken where no file
                is there yet.
            results: at least one.
            quality: of JPEG and WebP, see `anymask.editing.saving.save_image`.

        Returns:
            The files.
        """
        from anymask.io.atomic import write_files

        writers = [partial(result.save, quality=quality) for result in results]
        return write_files(file, writers, numbered=not (self._is_named or self._overwrite))


class Savable(Protocol):
    """A result that is an image, such as `anymask.editing.cutout.Cutout`."""

    def save(self, path: Path, quality: int | None = None) -> Any:
        """Write it."""
        ...


def run_each(images: Sequence[Path], run: Callable[[Path], Any], quiet: bool) -> int:
    """Run a command for each image; of several, one that fails is reported and the others go on.

    Returns:
        The exit code: 0; that of the failures, 2 if all are the fault of the input, else 1; or 130 after Ctrl-C.
    """
    from anymask.errors import AnymaskError, InputError, one_line

    if len(images) == 1:
        result = run(images[0])
        return result if isinstance(result, int) else 0
    failures: dict[Path, int] = {}
    for path in images:
        try:
            if run(path) == INTERRUPTED:
                return INTERRUPTED
        except AnymaskError as error:
            failures[path] = 2 if isinstance(error, InputError) else 1
            line = one_line(error)
            click.echo(f"anymask: {line if str(path) in line else f'{path}: {line}'}", err=True)
    if not quiet or failures:
        failed = f"; failed: {', '.join(map(str, failures))}" if failures else ""
        click.echo(f"anymask: {len(images) - len(failures)} of {quantity(len(images), 'image')} done{failed}", err=True)
    return min(failures.values(), default=0)
