"""The widget of `anymask.notebook.prompter`: the page sends prompts, Python sends outlines."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import anywidget
import PIL.Image
import traitlets

from anymask.errors import AnymaskError, one_line
from anymask.prediction.encoded_image import EncodedImage
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.visualization.overlay import PALETTE
from anymask.visualization.result_html import encode_jpeg, svg_path

_MAX_SIDE = 1600
"""Of the image that the page gets, in pixels."""


class Prompter(anywidget.AnyWidget):
    """An image to click on.

    Attributes:
        prompts: one for each object, `{"points": [[x, y], …], "labels": [1, …], "box": [x0, y0, x1, y1] or None}` in
            pixels; may be set from Python, too.
        masks: of the prompts, in their order.
        error: one line on a prompt that cannot be used; "" without one.
    """

    _esm = Path(__file__).with_name("prompter.js")
    _css = Path(__file__).with_name("prompter.css")

    picture: Any = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    colors: Any = traitlets.List().tag(sync=True)
    prompts: Any = traitlets.List().tag(sync=True)
    outlines: Any = traitlets.List().tag(sync=True)
    error: Any = traitlets.Unicode("").tag(sync=True)

    def __init__(self, encoded: EncodedImage) -> None:
        """Show an encoded image."""
        self._encoded = encoded
        self._known: dict[str, tuple[Mask, Prompt, str]] = {}
        self._tolerance = 0.5 * max(1.0, max(encoded.size) / _MAX_SIDE)
        self._masks = encoded.segment(boxes=[])
        super().__init__(
            picture=encode_jpeg(PIL.Image.fromarray(encoded.pixels), _MAX_SIDE),
            size=list(encoded.size),
            colors=[f"rgb{color}" for color in PALETTE],
        )
        self.observe(self._update, "prompts")
        self.on_msg(self._preview)

    @property
    def masks(self) -> MaskSet:
        """The masks of the prompts, in their order."""
        return self._masks

    def _update(self, change: Any) -> None:
        """Segment the prompts that are new; the others keep their masks."""
        try:
            known = {repr(prompt): self._known.get(repr(prompt)) or self._segment(prompt) for prompt in self.prompts}
        except (AnymaskError, KeyError, TypeError) as error:
            self.error = one_line(error)
            return
        self._known = known
        found = [known[repr(prompt)] for prompt in self.prompts]
        masks = [mask.replace(prompt_index=index) for index, (mask, _, _) in enumerate(found)]
        prompts = [prompt for _, prompt, _ in found]
        self._masks = MaskSet(masks, image=self._encoded.source, prompts=prompts, provenance=self._encoded.provenance)
        self.error = ""
        self.outlines = [outline for _, _, outline in found]

    def _segment(self, prompt: dict[str, Any], **options: Any) -> tuple[Mask, Prompt, str]:
        result = self._encoded.segment(prompt["points"] or None, prompt["labels"] or None, box=prompt["box"], **options)
        return result[0], result.prompts[0], svg_path(result[0], self._tolerance)

    def _preview(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        """Respond to the cursor with the outline of the mask that a click there would give."""
        outline = ""
        with contextlib.suppress(AnymaskError, KeyError, TypeError):  # a place that means nothing has no preview
            _, _, outline = self._segment(content["prompt"], refine="off")
        self.send({"number": content.get("number"), "outline": outline})
