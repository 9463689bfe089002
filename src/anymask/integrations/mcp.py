"""A server of the Model Context Protocol: an assistant opens images, prompts for objects, looks, and saves files."""

from __future__ import annotations

import functools
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import PIL.Image
from mcp.server.mcpserver import Image as ImageContent
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from anymask._version import __version__
from anymask.editing.cutout import cutout
from anymask.errors import AnymaskError, InputError, one_line
from anymask.formats import masks_json
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.segmenter import Segmenter
from anymask.structures.coordinates import CoordinateName
from anymask.structures.mask_set import MaskSet

_MAX_SIDE = 1024
"""Of the images that the assistant gets, in pixels."""
_MOST_IMAGES = 4
"""Encoded images in memory; the embeddings of others are on disk."""
_MOST_LISTED = 50
"""Masks that a response describes."""

_INSTRUCTIONS = (
    "Exact masks of objects in image files. Begin with `size`, which shows the image. Points and boxes count in pixels "
    "of the full image, from its top left corner, not of the smaller image that you see; or say coordinates='percent'. "
    "Look at the overlay of every result: if the mask is wrong, add points with label 1 on the object and 0 off it."
)

_Tool = TypeVar("_Tool", bound=Callable[..., Any])
_ImagePath = Annotated[str, Field(description="path of an image file")]
_SavePath = Annotated[str | None, Field(description="where to write; an existing file is never replaced")]
_Point = Annotated[list[float], Field(min_length=2, max_length=2, description="[x, y]")]
_Points = Annotated[list[_Point] | None, Field(description="on one object")]
_Labels = Annotated[list[Literal[0, 1]] | None, Field(description="for each point 1 on, 0 off the object")]
_Box = Annotated[list[float] | None, Field(description="[x_min, y_min, x_max, y_max] around the object")]
_Text = Annotated[str | None, Field(description="names of objects, with commas between them")]
_Content = list[Any]


class Toolbox:
    """The tools of one server.

    Args:
        load: loads the model; called at the first tool that needs it.
        root: files outside of this folder are refused.
        detector: that finds the boxes for text.
    """

    def __init__(self, load: Callable[[], Segmenter], root: Path, detector: str = "auto") -> None:
        self._load = functools.lru_cache(maxsize=1)(load)
        self._root = root.resolve()
        self._detector = detector
        self._lock = threading.Lock()
        self._encoded: OrderedDict[tuple[Path, int, int], EncodedImage] = OrderedDict()

    def size(self, image: _ImagePath) -> _Content:
        """Width and height of an image in pixels, and the image itself to look at."""
        encoded = self._encode(image)
        width, height = encoded.size
        facts = {"width": width, "height": height, "notes": list(encoded.source.notes)}
        return _content(facts, PIL.Image.fromarray(encoded.pixels))

    def segment(
        self,
        image: _ImagePath,
        points: _Points = None,
        labels: _Labels = None,
        box: _Box = None,
        text: _Text = None,
        coordinates: CoordinateName = "pixels",
        save: _SavePath = None,
    ) -> _Content:
        """The mask of one object from points or a box, or the masks of all objects that a text names.

        `save` writes the masks: .json (COCO run lengths), .png (black and white), .geojson, … by its extension.
        """
        masks = self._segment(image, points, labels, box, text, coordinates)
        return self._result(masks, save)

    def everything(
        self,
        image: _ImagePath,
        max_seconds: Annotated[float, Field(gt=0, le=600, description="ends the search with the masks so far")] = 20,
        save: _SavePath = None,
    ) -> _Content:
        """The masks of all objects of an image, the best first."""
        return self._result(self._encode(image).everything(max_seconds=max_seconds), save)

    def cutout(
        self,
        image: _ImagePath,
        save: Annotated[str, Field(description="where to write the PNG; an existing file is never replaced")],
        points: _Points = None,
        labels: _Labels = None,
        box: _Box = None,
        text: _Text = None,
        coordinates: CoordinateName = "pixels",
        crop: Annotated[bool, Field(description="cut the image down to the object")] = True,
    ) -> _Content:
        """Write an object without its background as a PNG in full resolution, and show it."""
        path = self._new_file(save)
        if path.suffix.lower() != ".png":
            raise InputError(f"{save} is no .png: a cut-out has transparency")
        masks = self._segment(image, points, labels, box, text, coordinates)
        if not len(masks):
            return self._result(masks, None)
        result = cutout(masks.image, masks, crop=crop)
        result.save(path)
        white = PIL.Image.new("RGB", result.image.size, "white")
        white.paste(result.image, mask=result.image.getchannel("A"))
        return _content({"saved": [str(path)], "width": white.width, "height": white.height}, white)

    def _segment(
        self,
        image: str,
        points: Sequence[Sequence[float]] | None,
        labels: Sequence[int] | None,
        box: Sequence[float] | None,
        text: str | None,
        coordinates: CoordinateName,
    ) -> MaskSet:
        encoded = self._encode(image)
        if text is None:
            return encoded.segment(points, labels, box, coordinates=coordinates)
        if points or box:
            raise InputError("text cannot be combined with points or a box: prompt with one or the other")
        return encoded.segment_text(text, detector=self._detector)

    def _result(self, masks: MaskSet, save: str | None) -> _Content:
        """The facts of a result, and its overlay."""
        listed = [
            {name: value for name, value in masks_json.mask_to_dict(mask).items() if name not in ("rle", "file")}
            for mask in masks[:_MOST_LISTED]
        ]
        facts: dict[str, Any] = {
            "width": masks.size[0],
            "height": masks.size[1],
            "masks": listed,
            "found": len(masks),
            "notes": list(dict.fromkeys(note for prompt in masks.prompts for note in prompt.notes)),
        }
        if save is not None:
            path = self._new_file(save)
            facts["saved"] = [str(each) for each in masks.save(path)]
        return _content(facts, masks.draw(max_side=_MAX_SIDE))

    def _encode(self, image: str) -> EncodedImage:
        path = self._inside(image)
        try:
            status = path.stat()
        except OSError:
            raise InputError(f"{image} is not a file in {self._root}") from None
        key = (path, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key not in self._encoded:
                self._encoded[key] = self._load().encode(path)
                while len(self._encoded) > _MOST_IMAGES:
                    self._encoded.popitem(last=False)
            self._encoded.move_to_end(key)
            return self._encoded[key]

    def _inside(self, path: str) -> Path:
        """A path within the root, links followed.

        Raises:
            InputError: it leads out of the root.
        """
        resolved = (self._root / path).resolve()
        if not resolved.is_relative_to(self._root):
            raise InputError(f"{path} lies outside of {self._root}, the folder that this server may use")
        return resolved

    def _new_file(self, path: str) -> Path:
        resolved = self._inside(path)
        if resolved.exists():
            raise InputError(f"{path} exists already and is not replaced: choose another name")
        return resolved


def make_mcp_server(toolbox: Toolbox) -> MCPServer:
    """The server with its tools; errors of ours become errors of the tool, with their one line."""
    server = MCPServer("anymask", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING")
    for tool in (toolbox.size, toolbox.segment, toolbox.everything, toolbox.cutout):
        server.tool(structured_output=False)(_with_tool_errors(tool))
    return server


def _with_tool_errors(tool: _Tool) -> _Tool:
    @functools.wraps(tool)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return tool(*arguments, **named)
        except AnymaskError as error:
            raise ToolError(one_line(error)) from None

    return cast("_Tool", call)


def _content(facts: dict[str, Any], image: PIL.Image.Image) -> _Content:
    """The facts as JSON, with the size of the image that follows as JPEG."""
    shown = image.convert("RGB")
    shown.thumbnail((_MAX_SIDE, _MAX_SIDE))
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=85)
    facts["shown"] = {"width": shown.width, "height": shown.height}
    return [json.dumps(facts), ImageContent(data=buffer.getvalue(), format="jpeg")]
