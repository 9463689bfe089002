"""The remote server of X-AnyLabeling: its client `RemoteServer` sends the image with every request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, FiniteFloat
from starlette.responses import Response

from anymask.errors import InputError
from anymask.prediction.encoded_image import EncodedImage
from anymask.server.problems import Problem, json_response
from anymask.server.routes.dependencies import client_of, service_of
from anymask.server.service import Service
from anymask.server.tool_images import decode_data_uri, encode_file
from anymask.server.tool_polygons import simple_rings
from anymask.structures.mask import Mask

router = APIRouter(prefix="/x-anylabeling", include_in_schema=False)

_SHAPE_OF_PROMPT = "AUTOLABEL_OBJECT"
"""Label of shapes that the person names when the object is finished."""
_EVERYTHING_SHARE = 0.5
"""Of the time for a request, what the search for everything may take."""

_FINENESS = ("mask_fineness_slider", "mask_fineness_value_label")
_POINTS = ("button_add_point", "button_remove_point", "button_add_rect", "button_clear", "button_finish_object")
_MODELS: dict[str, dict[str, Any]] = {
    "anymask": {
        "display_name": "anymask: points and boxes",
        "batch_processing_mode": None,
        "widgets": (*_POINTS, *_FINENESS),
    },
    "anymask-text": {
        "display_name": "anymask: text",
        "batch_processing_mode": "text_prompt",
        "widgets": ("edit_text", "button_send", "toggle_preserve_existing_annotations", *_FINENESS),
    },
    "anymask-everything": {
        "display_name": "anymask: everything",
        "batch_processing_mode": "default",
        "widgets": ("button_run", "toggle_preserve_existing_annotations", *_FINENESS),
    },
}
"""The entries of the list of models; X-AnyLabeling shows the widgets of the one that is chosen."""


class MarkBody(BaseModel):
    """A click, or a box."""

    type: Literal["point", "rectangle"]
    data: Annotated[list[FiniteFloat], Field(min_length=2, max_length=4)]
    label: Literal[0, 1] = 1


class ParametersBody(BaseModel):
    """What one request is about; the client sends further parameters of other models."""

    marks: Annotated[list[MarkBody], Field(max_length=512)] = []
    text_prompt: Annotated[str, Field(max_length=500)] = ""
    epsilon_factor: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.001


class PredictBody(BaseModel):
    """The request of the client."""

    model: Annotated[str, Field(max_length=100)]
    image: str
    params: ParametersBody = ParametersBody()


@router.get("/v1/models")
async def x_anylabeling_models() -> Response:
    """The models, each with the widgets that it needs."""
    models = {
        name: {**model, "widgets": [{"name": widget, "value": None} for widget in model["widgets"]]}
        for name, model in _MODELS.items()
    }
    return json_response({"success": True, "data": models})


@router.post("/v1/predict")
async def x_anylabeling_predict(request: Request, body: PredictBody) -> Response:
    """Polygons for marks, for text, or for everything."""
    service = service_of(request)
    if body.model not in _MODELS:
        raise Problem(404, "unknown-model", f"no model is named {body.model!r}: there are {', '.join(_MODELS)}")
    deadline, client = service.deadline(), client_of(request)
    with service.prompting.place(client):
        encoded = await encode_file(service, decode_data_uri(body.image), client, deadline)
        shapes = await service.prompting.run(partial(_shapes, service, encoded, body), deadline)
    return json_response({"success": True, "data": shapes})


def _shapes(service: Service, encoded: EncodedImage, body: PredictBody) -> dict[str, Any]:
    """The member `data` of a response."""
    fineness = body.params.epsilon_factor
    if body.model == "anymask":
        masks: Sequence[Mask] = _segment_marks(encoded, body.params.marks)
        return {"shapes": _polygons(masks, _SHAPE_OF_PROMPT, fineness), "replace": False, "description": ""}
    if body.model == "anymask-text":
        masks = encoded.segment_text(body.params.text_prompt, detector=service.settings.detector)
        return {"shapes": _polygons(masks, body.params.text_prompt, fineness), "description": ""}
    masks = encoded.everything(max_seconds=service.limits.request_seconds * _EVERYTHING_SHARE)
    return {"shapes": _polygons(masks, "object", fineness), "description": ""}


def _segment_marks(encoded: EncodedImage, marks: Sequence[MarkBody]) -> Sequence[Mask]:
    """One object for the points; a box and its points are one, too, and each of several boxes is one."""
    points = [mark for mark in marks if mark.type == "point"]
    boxes = [_box_of(mark.data) for mark in marks if mark.type == "rectangle"]
    if not any(mark.label for mark in points) and not boxes:
        return []  # the client asks once more when the last mark is removed
    if len(boxes) <= 1:
        return encoded.segment(
            [mark.data[:2] for mark in points] or None,
            [mark.label for mark in points] or None,
            box=boxes[0] if boxes else None,
        )
    inside = [[mark for mark in points if _is_inside(mark.data, box)] for box in boxes]
    return encoded.segment(
        [[mark.data[:2] for mark in group] for group in inside],
        [[mark.label for mark in group] for group in inside],
        boxes=boxes,
    )


def _box_of(corners: Sequence[float]) -> list[float]:
    """A box from two corners, in whichever order they were drawn."""
    if len(corners) != 4:
        raise InputError(f"a rectangle takes four numbers, x and y of two corners, not {len(corners)}")
    (x0, x1), (y0, y1) = sorted(corners[0::2]), sorted(corners[1::2])
    return [x0, y0, x1, y1]


def _is_inside(point: Sequence[float], box: Sequence[float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _polygons(masks: Sequence[Mask], label: str, fineness: float) -> list[dict[str, Any]]:
    """A polygon for each part of each mask; parts of a mask share a group."""
    shapes = []
    for group, mask in enumerate(masks, 1):
        for ring in simple_rings(mask, fineness):
            shapes.append(
                {
                    "label": mask.label or label,
                    "shape_type": "polygon",
                    "points": [*ring.round(2).tolist(), ring[0].round(2).tolist()],
                    "score": None if mask.confidence is None else round(min(max(mask.confidence, 0.0), 1.0), 4),
                    "group_id": group,
                }
            )
        mask.release()
    return shapes
