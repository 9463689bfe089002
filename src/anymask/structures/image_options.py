"""How image files are opened, as options of every command that opens them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anymask.io.limits import MAX_PIXELS
from anymask.structures.options import Options, option, option_fields

if TYPE_CHECKING:
    from anymask.io.image import Image, ImageSource


@dataclass(frozen=True)
class ImageOptions(Options):
    """How image files are opened; `anymask.open_image` takes the same arguments.

    Raises:
        PromptError: a value that cannot be right.
        ImageError: a window whose low end is not below its high end.
    """

    window: tuple[float, float] | None = option(
        None, "Shown as black and white, for more than 8 bits; otherwise chosen by the values.", form="LOW,HIGH"
    )
    bands: tuple[int] | tuple[int, int, int] | None = option(
        None, "Bands shown as red, green and blue, or one in grey; otherwise the first.", at_least=1, form="R,G,B"
    )
    page: int | None = option(None, "Page or frame of a file of several; otherwise the first.", at_least=1)
    max_pixels: int = option(MAX_PIXELS, "Refuse larger images.", at_least=1)
    background: tuple[int, int, int] = option(
        (255, 255, 255), "Shows through transparent parts.", at_least=0, at_most=255, form="COLOUR"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.changed:
            return
        from anymask.io.samples import Display  # not at the top, so that help stays quick

        Display(self.window, self.bands, self.background).checked()

    def open(self, source: ImageSource) -> Image:
        """Open an image as these options say; see `anymask.open_image`.

        Raises:
            ImageError: it cannot be read, or breaks a limit.
        """
        from anymask.io.image import open_image

        return open_image(source, **self.as_dict())

    @property
    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults."""
        return {
            each.name: value
            for each in option_fields(type(self))
            if (value := getattr(self, each.name)) != each.default
        }
