"""What requests may contain; FastAPI checks it and describes it in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from anymask.automatic.options import GeneratorOptions
from anymask.detection.options import DetectionOptions
from anymask.prediction.options import SelectionOptions
from anymask.server.schemas.option_fields import Body, with_options
from anymask.structures.image_options import ImageOptions

Point = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2, description="[x, y]")]
Box = Annotated[list[FiniteFloat], Field(min_length=4, max_length=4, description="[x_min, y_min, x_max, y_max]")]
_SMALL = "TW^2d0l;00000lbj4"
"""Runs of a small box in an image of 600x400, for examples."""

Reference = Annotated[str, Field(pattern="^[0-9a-f]{24}$", description="`id` or `logits` of an earlier mask")]
Label = Annotated[str, Field(max_length=200)]
ColorList = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]
Share = Annotated[float, Field(ge=0, le=1)]


class Runs(Body):
    """A mask as COCO run lengths."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="[height, width]")]
    counts: str


class PromptBody(Body):
    """One object: points, a box, an earlier mask, in any combination; or text for several."""

    points: list[Point] | None = None
    labels: list[Literal[0, 1]] | None = Field(
        None, description="for each point 1 include, 0 exclude; all 1 if left out"
    )
    box: Box | None = None
    text: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    logits: Reference | None = Field(None, description="the earlier mask's reference: its logits are fed back")
    mask: Runs | None = Field(None, description="a drawn mask of the image's size, in the place of `logits`")
    label: Label | None = Field(None, description="label of the masks of this prompt")


@with_options(SelectionOptions)
class SegmentBody(Body):
    """What to segment, and in which form to return it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompts": [{"points": [[110, 300]], "labels": [1]}]},
                {"prompts": [{"box": [170, 14, 412, 264]}], "candidates": True, "format": "polygons"},
            ]
        },
    )

    prompts: list[PromptBody] = Field(min_length=1)
    objects: Literal["one", "per_point", "auto"] = Field(
        "one",
        description='"auto": included points on different objects give a mask each, "per_point": every one does; for '
        "prompts of points alone",
    )
    candidates: bool = Field(False, description="also the model's three candidates of each prompt")
    format: Literal["rle", "polygons", "png"] = "rle"
    coordinates: Literal["pixels", "normalized", "percent"] = "pixels"
    store: bool = Field(True, description="false: no later request will refer to the masks, as for previews")
    preview: bool = Field(
        False, description="one look alone, in a third of the time: without `refine`, in a `window` only if it is ready"
    )
    max_side: Annotated[int, Field(ge=64)] | None = Field(
        None,
        description="with `preview`: masks of the whole image have at most this many pixels a side, and `box` and "
        "`area` are in their pixels; needs `store: false`, since no later request can refer to them",
    )
    window: Box | None = Field(
        None,
        description="the visible part, in pixels: where it shows the image twice as fine as the model saw the whole, "
        "it is encoded by itself and prompts are decoded there; `window` of each mask states it",
    )

    @model_validator(mode="after")
    def _reduced_masks_are_previews(self) -> SegmentBody:
        if self.max_side is not None and (self.store or not self.preview):
            raise ValueError("max_side needs preview: true and store: false")
        return self


class AlternativesBody(Body):
    """A click, for masks of what it may mean."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"points": [[110, 300]], "most": 4}]})

    points: list[Point] = Field(min_length=1)
    labels: list[Literal[0, 1]] | None = Field(None, description="1 include, 0 exclude; all 1 if left out")
    most: Annotated[int, Field(ge=1, le=12)] = 6
    format: Literal["rle", "polygons", "png"] = "rle"
    coordinates: Literal["pixels", "normalized", "percent"] = "pixels"
    window: Box | None = Field(None, description="as for `segment`: what lies in it whole is offered as seen there")
    store: bool = True


class ZoomBody(Body):
    """A part of an image that somebody looks at."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"window": [100, 50, 400, 250]}]})

    window: Box


@with_options(
    GeneratorOptions,
    limits={
        "points_per_side": {"at_most": 128},
        "points_per_batch": {"at_most": 64},
        "stability_score_offset": {"at_most": 100},
        "crop_n_layers": {"at_most": 3},
        "crop_n_points_downscale_factor": {"at_most": 16},
        "tile": {"at_least": 256, "at_most": 65536},
    },
    without=("max_memory",),
)
class EverythingBody(Body):
    """Options of `EncodedImage.everything`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"max_seconds": 10}]})

    roi: Box | None = Field(None, description="only objects whose centre lies in this box, in pixels")


@with_options(DetectionOptions, limits={"zoom": {"at_most": 4}})
class DetectBody(Body):
    """Text to find boxes for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "cup"}]})

    text: Annotated[str, Field(min_length=1, max_length=500)]


class MaskBody(Body):
    """A mask to write: by reference, or by its runs."""

    id: Reference | None = None
    rle: Runs | None = None
    label: Label | None = None
    score: FiniteFloat | None = None


class CutoutBody(Body):
    """Objects to lift off their background; see `anymask.editing.cutout.cutout`."""

    masks: list[MaskBody] = Field(min_length=1, max_length=64)
    edges: Literal["auto", "matte", "smooth", "hard"] = "auto"
    crop: bool = False
    margin: Annotated[FiniteFloat, Field(ge=0, le=2000)] = 0
    background: Literal["blur"] | ColorList | None = Field(
        None, description="[red, green, blue]; transparent if left out"
    )
    shadow: bool = False
    outline: Annotated[float, Field(gt=0, le=200)] | None = Field(None, description="width of a white rim, in pixels")


class InpaintBody(Body):
    """Objects to fill in from their surroundings; see `anymask.editing.inpainting.inpaint`."""

    masks: list[MaskBody] = Field(min_length=1, max_length=64)
    method: Literal["telea", "ns"] = Field("telea", description="OpenCV's; both suit small objects alone")
    grow: Annotated[FiniteFloat, Field(ge=0, le=500)] | None = Field(
        None, description="pixels around the masks that are filled in, too; by default 2.5 % of the objects' size"
    )
    feather: Annotated[FiniteFloat, Field(ge=0, le=500)] | None = Field(
        None, description="pixels beyond that in which old and new blend; by default half of `grow`"
    )
    shadow: Annotated[FiniteFloat, Field(ge=0, le=500)] = Field(0, description="pixels around the objects' foot")


class ExportBody(Body):
    """Masks to write into a file."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"format": "png", "masks": [{"rle": {"size": [400, 600], "counts": _SMALL}}]}]},
    )

    format: Annotated[str, Field(max_length=40, description="a name of GET /v1/models, `formats`")]
    masks: list[MaskBody] = Field(min_length=1, max_length=2000)
    name: Annotated[str, Field(max_length=200)] = Field("photo.jpg", description="of the image, for the file's text")
    steps: list[list[dict[str, Any]]] | None = Field(
        None,
        max_length=2000,
        description="of each mask, how it was made, as in a prompt log; formats that record it can be replayed",
    )


@with_options(ImageOptions, without=("max_pixels",))
class OpeningBody(Body):
    """How an image file is opened: its window, bands, page and background."""


class UrlBody(Body):
    """An image to fetch, where the server was started with --allow-urls."""

    url: Annotated[str, Field(max_length=2000)]
    options: OpeningBody = OpeningBody()
