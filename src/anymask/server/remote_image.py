"""An image on a server, with the calls of an `EncodedImage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.budget import GeneratorProgress
from anymask.errors import AnymaskError, PromptError
from anymask.formats import masks_json
from anymask.io.image import Image, open_image
from anymask.prediction.click_grouping import Objects, check_objects
from anymask.server.connection import Connection, ServerError
from anymask.structures.coordinates import BoxFormat, CoordinateName, as_numbers
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompts
from anymask.structures.provenance import Provenance


class RemoteMask(Mask):
    """A mask that a server made.

    Attributes:
        reference: the server's id of the mask with its logits, for `previous=`.
        parent: index of the mask that it is a part of, in a result of `everything`; None for none.
        window: [x_min, y_min, x_max, y_max] of the image that the model ran on; None for the image as a whole.
    """

    reference: str | None = None
    parent: int | None = None
    window: list[int] | None = None


class RemoteImage:
    """An image on a server, with the methods of an `EncodedImage` and their arguments.

    Attributes:
        id: of the image there, its pixel hash.
        size: (width, height) as displayed.
    """

    def __init__(self, connection: Connection, entry: Mapping[str, Any], image: Image | None) -> None:
        self.id: str = entry["id"]
        self.size: tuple[int, int] = (entry["width"], entry["height"])
        self._connection = connection
        self._image = image
        self._path = f"/v1/images/{self.id}"

    @property
    def source(self) -> Image:
        """The opened image; downloaded from the server if it was not uploaded from here."""
        if self._image is None:
            response = self._connection.request("GET", f"{self._path}/picture", params={"format": "png"})
            self._image = open_image(response.content)
        return self._image

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image's pixels, uint8 [H, W, 3], RGB, as displayed, read-only."""
        return self.source.pixels

    def segment(
        self,
        points: Any = None,
        labels: Any = None,
        box: ArrayLike | None = None,
        *,
        boxes: ArrayLike | None = None,
        mask_input: Any = None,
        objects: Objects = "one",
        previous: Mask | None = None,
        coordinates: CoordinateName = "pixels",
        box_format: BoxFormat = "xyxy",
        **options: Any,
    ) -> MaskSet:
        """Segment one or several objects; see `EncodedImage.segment`.

        Prompts are checked here, so that a mistake costs no request.

        Args:
            points: (x, y) in pixels of the image as displayed, [N, 2], or a list of such for several objects.
            labels: 1 include, 0 exclude, [N].
            box: one box, [4], (x_min, y_min, x_max, y_max).
            boxes: one object each, [N, 4].
            mask_input: a mask, bool [H, W]; an earlier result goes into `previous`.
            objects: "one", "per_point" or "auto".
            coordinates: "pixels", "normalized" or "percent".
            box_format: "xyxy", "xywh" or "cxcywh".
            previous: an earlier mask of the same server.
            options: ``select``, ``refine``, ``max_hole_area``, ``max_island_area``; ``window=``, what is visible, in
                pixels: where it shows more than the image as a whole, the model runs on it (`RemoteMask.window`);
                ``preview=True`` for masks from one pass of the decoder.

        Raises:
            PromptError: a value that cannot be right.
            ServerError: the server rejects the request or fails.
        """
        if previous is not None and mask_input is not None:
            raise PromptError("give either previous or mask_input, not both: each takes the place of the other")
        prompts = make_prompts(
            self.size,
            points=points,
            labels=labels,
            box=box,
            boxes=boxes,
            each=objects == "per_point",
            coordinates=coordinates,
            box_format=box_format,
        )
        if not prompts:
            return MaskSet([], image=self.source)
        if len(prompts) > 1 and (previous is not None or mask_input is not None):
            raise PromptError("an earlier mask can only be given with a prompt for one object")
        check_objects(objects, all(value is None for value in (box, boxes, mask_input, previous)))
        if objects == "auto" and len(prompts) == 1:
            return self._segment([_body(prompts[0])], (), {**options, "objects": "auto"})
        if objects == "per_point" and len(prompts) > 1 and all(_has_points_alone(each) for each in prompts):
            return self._segment([_joined(prompts)], (), {**options, "objects": "per_point"})
        earlier = {**_reference(previous), **_mask_body(mask_input)}
        return self._segment([{**_body(prompt), **earlier} for prompt in prompts], prompts, options)

    def segment_text(self, text: str | Sequence[str], **options: Any) -> MaskSet:
        """Detect what text names, and segment it; see `EncodedImage.segment_text`.

        Args:
            text: one phrase, several with commas between them, or a list.
            options: as for `segment`.

        Raises:
            ServerError: the server rejects the request or fails.
        """
        phrases = text if isinstance(text, str) else ", ".join(text)
        return self._segment([{"text": phrases}], (), options)

    def _segment(self, bodies: list[dict[str, Any]], prompts: Sequence[Prompt], options: dict[str, Any]) -> MaskSet:
        result = self._connection.json("POST", f"{self._path}/segment", json={"prompts": bodies, **options})
        masks = [_mask(entry) for entry in result["masks"]]
        if options.get("objects") in (
            "auto",
            "per_point",
        ):  # as the library: a prompt for each object, with its own points
            notes = tuple(result["prompts"][0].get("notes", ()))
            prompts = [
                Prompt(np.array(each["points"], np.float64), np.array(each["labels"], np.int64), notes=notes)
                for each in result["masks"]
            ]
            masks = [cast("RemoteMask", mask.replace(prompt_index=index)) for index, mask in enumerate(masks)]
        elif not prompts:
            prompts = [Prompt(text=each["text"], notes=tuple(each.get("notes", ()))) for each in result["prompts"]]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_provenance(result))

    def predict(
        self, points: ArrayLike | None = None, labels: ArrayLike | None = None, box: ArrayLike | None = None
    ) -> MaskSet:
        """The model's three masks for one prompt, with scores; see `EncodedImage.predict`.

        Args:
            points: (x, y) in pixels of the image as displayed, [N, 2].
            labels: 1 include, 0 exclude, [N].
            box: (x_min, y_min, x_max, y_max), [4].
        """
        prompts = make_prompts(self.size, points=points, labels=labels, box=box)
        body = {"prompts": [_body(prompt) for prompt in prompts], "candidates": True, "refine": "off"}
        result = self._connection.json("POST", f"{self._path}/segment", json=body)
        masks = [_mask(entry) for entry in result["masks"][0]["candidates"]]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_provenance(result))

    def alternatives(
        self, points: ArrayLike, labels: ArrayLike | None = None, most: int = 6, coordinates: CoordinateName = "pixels"
    ) -> MaskSet:
        """What a click may mean: distinct masks, the best first; see `EncodedImage.alternatives`.

        Args:
            points: (x, y), [N, 2], in the unit of `coordinates`.
            labels: 1 include, 0 exclude, [N].
            most: masks, at most.
            coordinates: "pixels", "normalized" or "percent".
        """
        (prompt,) = make_prompts(
            self.size,
            points=[as_numbers(points, "points", "pairs of x and y, [N, 2]")],
            labels=None if labels is None else [labels],
            coordinates=coordinates,
        )
        points_and_labels = {key: prompt.as_dict()[key] for key in ("points", "labels")}
        body = {**points_and_labels, "most": most}
        result = self._connection.json("POST", f"{self._path}/alternatives", json=body)
        return MaskSet(
            [_mask(e) for e in result["masks"]], image=self.source, prompts=(prompt,), provenance=_provenance(result)
        )

    def detect(self, text: str, **options: Any) -> list[dict[str, Any]]:
        """Boxes of what a text names: label, score and box each.

        Args:
            text: phrases, with commas between them.
            options: ``threshold``, ``max_per_label``, ``zoom``.
        """
        result = self._connection.json("POST", f"{self._path}/detect", json={"text": text, **options})
        return cast("list[dict[str, Any]]", result["detections"])

    def everything(
        self,
        *,
        progress: Callable[[GeneratorProgress], None] | None = None,
        stop: Callable[[], bool] | None = None,
        **parameters: Any,
    ) -> MaskSet:
        """Find all objects; see `EncodedImage.everything`. Each mask's `parent` is the mask that it is a part of.

        Args:
            progress: called with each report of progress.
            stop: called after each report of progress; true ends the search with the masks so far.
            parameters: as there.

        Raises:
            ServerError: the server rejects the request or fails, or goes down before the first mask.
        """
        job = self._connection.json("POST", f"{self._path}/everything", json=parameters)
        path = f"/v1/jobs/{job['job']}"
        last: dict[str, Any] = {}
        cancelled = False
        try:
            for name, data in self._connection.events(f"{path}/events"):
                if name == "progress" and "asked" in data and progress is not None:
                    progress(GeneratorProgress(data["asked"], data["planned"], data["found"], data["seconds"]))
                if stop is not None and name == "progress" and stop():
                    self._connection.request("DELETE", path)
                    cancelled = True
                last = data
        except ServerError:
            raise  # the job goes on: its state can be read later
        except BaseException:
            with suppress(AnymaskError):  # Ctrl-C here ends the work on the server, too
                self._connection.request("DELETE", path)
            raise
        result = last.get("result")
        if result is None and cancelled and last.get("state") == "cancelled":
            result = {"masks": []}  # while other jobs were ahead of it
        if result is None:
            problem = last.get("problem") or {"detail": f"the job ended as {last.get('state', 'unknown')}"}
            raise ServerError(str(problem["detail"]), int(problem.get("status", 0)))
        prompts = [Prompt(points=np.array([entry["point"]]), labels=np.ones(1, np.int64)) for entry in result["masks"]]
        masks = [_mask(entry).replace(prompt_index=index) for index, entry in enumerate(result["masks"])]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_provenance(result), shows_prompts=False)

    def forget(self) -> None:
        """Have the server forget the image."""
        self._connection.request("DELETE", self._path)

    def __repr__(self) -> str:
        return f"<RemoteImage {self.size[0]}x{self.size[1]} on {self._connection.address}>"


def _has_points_alone(prompt: Prompt) -> bool:
    return len(prompt.points) > 0 and prompt.box is None and prompt.mask_input is None


def _joined(prompts: Sequence[Prompt]) -> dict[str, Any]:
    """The body of prompts with an included point each, and with the same excluded ones."""
    included = [point for prompt in prompts for point in prompt.points[prompt.labels == 1].tolist()]
    excluded = prompts[0].points[prompts[0].labels == 0].tolist()
    return {"points": included + excluded, "labels": [1] * len(included) + [0] * len(excluded)}


def _body(prompt: Prompt) -> dict[str, Any]:
    values = prompt.as_dict()
    return {
        "points": values["points"] or None,
        "labels": values["labels"] if values["points"] else None,
        "box": values["box"],
    }


def _reference(previous: Mask | None) -> dict[str, Any]:
    if previous is None:
        return {}
    reference = getattr(previous, "reference", None)
    if reference is None:
        raise PromptError("the previous mask is not from this server; pass it as mask_input instead")
    return {"logits": reference}


def _mask_body(mask_input: Any) -> dict[str, Any]:
    if mask_input is None:
        return {}
    mask = mask_input if isinstance(mask_input, Mask) else Mask.from_array(mask_input)
    return {"mask": mask.rle}


def _mask(entry: Mapping[str, Any]) -> RemoteMask:
    mask = cast("RemoteMask", RemoteMask.from_rle(entry["rle"], **masks_json.about_mask(entry)))
    mask.reference, mask.parent, mask.window = entry.get("logits"), entry.get("parent"), entry.get("window")
    return mask


def _provenance(result: Mapping[str, Any]) -> Provenance:
    names = ("model", "engine", "precision", "device", "version")
    values: dict[str, Any] = {name: result.get(name) or "" for name in names}
    return Provenance(**values, seconds=result.get("seconds") or {})
