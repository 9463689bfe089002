"""How image files are opened, as options of every command that opens them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anymask.errors import OpeningOptionError
from anymask.io.limits import MAX_PIXELS
from anymask.structures.options import Options, option, option_fields

if TYPE_CHECKING:
    from anymask.io.image import Image, ImageSource

_WITHOUT = {
    "window": "the image has 8 bits per channel",
    "bands": "the image has no such bands",
    "page": "the file has one page",
}


@dataclass(frozen=True)
class ImageOptions(Options):
    """How image files are opened; `anymask.open_image` takes the same arguments.

    Raises:
        PromptError: a value that cannot be right.
        ImageError: a window whose low end is not below its high end.
    """

    window: tuple[float, float] | None = option(
        None,
        "Values shown as black and white, for images of more than 8 bits; by default chosen from the image.",
        form="LOW,HIGH",
    )
    bands: tuple[int] | tuple[int, int, int] | None = option(
        None,
        "Bands to show as red, green and blue, or one as grey; by default the first ones.",
        at_least=1,
        form="R,G,B",
    )
    page: int | None = option(
        None, "Page or frame to open, in a file that has several; by default the first.", at_least=1
    )
    max_pixels: int = option(MAX_PIXELS, "Refuse larger images.", at_least=1)
    background: tuple[int, int, int] = option(
        (255, 255, 255), "Colour behind transparent parts.", at_least=0, at_most=255, form="COLOUR"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.changed:
            return
        from anymask.io.samples import Display  # not at the top, so that help stays quick

        Display(self.window, self.bands, self.background).checked()

    def open(self, source: ImageSource, *, is_one_of_many: bool = False) -> Image:
        """Open an image as these options say; see `anymask.open_image`.

        Args:
            source: as `anymask.open_image` takes it.
            is_one_of_many: leave out, with a note, `window` for an image of 8 bits, `bands` for one in grey or RGB that
                has no such band, and `page` for a file of one page: the options are meant for other images.

        Raises:
            ImageError: it cannot be read, or breaks a limit.
        """
        from anymask.io.image import open_image

        arguments, notes = self.as_dict(), list[str]()
        while True:
            try:
                image = open_image(source, **arguments)
                return replace(image, notes=(*notes, *image.notes)) if notes else image
            except OpeningOptionError as error:
                if not is_one_of_many:
                    raise
                arguments[error.option] = None
                notes.append(f"{error.option} is ignored: {_WITHOUT[error.option]}")

    @property
    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults."""
        return {
            each.name: value
            for each in option_fields(type(self))
            if (value := getattr(self, each.name)) != each.default
        }
