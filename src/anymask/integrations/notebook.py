"""Click to segment in a cell of a notebook (extra `notebook`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anymask.errors import AnymaskError
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter, load

if TYPE_CHECKING:
    from anymask.integrations.prompter_widget import Prompter


def prompter(image: Any, segmenter: Segmenter | None = None) -> Prompter:
    """Show an image to click on; `masks` of the result follows.

    ```python
    widget = anymask.notebook.prompter("coffee.jpg")
    widget                      # the last line of the cell shows it
    widget.masks.save("coffee.json")   # in a later cell
    ```

    The mask under the cursor is shown before the click. A click adds a point on the object, the right button or Alt
    and a click a point off it, and dragging draws a box. "New object" (Enter) begins the next one.

    Args:
        image: an encoded image, or what `Segmenter.encode` takes.
        segmenter: encodes it; MobileSAM if left out.

    Raises:
        AnymaskError: anywidget is not installed.
        ImageError: the image cannot be read.
    """
    try:
        from anymask.integrations.prompter_widget import Prompter
    except ImportError:
        raise AnymaskError("anywidget is not installed; get it with: pip install 'anymask[notebook]'") from None
    if not isinstance(image, EncodedImage):
        image = (segmenter or load()).encode(image)
    return Prompter(image)
