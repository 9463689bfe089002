"""A client of `anymask serve` with the calls of a Segmenter and an EncodedImage; the model runs on the server.

```python
client = anymask.Client("http://localhost:8000")
encoded = client.encode("photo.jpg")
mask = encoded.segment(points=[(350, 450)])[0]
```
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.automatic.budget import GeneratorProgress
from anymask.errors import AnymaskError, InputError, PromptError
from anymask.formats import masks_json
from anymask.io.image import Image, ImageSource, open_image
from anymask.prediction.click_grouping import Objects, check_objects
from anymask.structures.coordinates import BoxFormat, CoordinateName
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt, make_prompts
from anymask.structures.provenance import Provenance

if TYPE_CHECKING:
    import httpx


class ServerError(AnymaskError):
    """The server refused, failed, or cannot be reached.

    Attributes:
        status: the HTTP status, 0 if there was no answer.
        kind: the last part of the problem's type, such as "queue-full".
        retry_after: seconds after which to try again, None if the server did not say.
    """

    def __init__(self, line: str, status: int = 0, kind: str = "", retry_after: float | None = None) -> None:
        super().__init__(line)
        self.status, self.kind, self.retry_after = status, kind, retry_after


class RemoteMask(Mask):
    """A mask that a server made.

    Attributes:
        reference: under which the server keeps it, with its logits, for `previous=`.
        parent: index of the mask that it is a part of, in a result of `everything`; None for none.
        window: [x_min, y_min, x_max, y_max] of the image that it was seen in; None for the image as a whole.
    """

    reference: str | None = None
    parent: int | None = None
    window: list[int] | None = None


class Client:
    """Talks to one server. Safe to use from several threads at once; also a context manager.

    Args:
        address: of the server, such as "http://localhost:8000".
        token: that the server printed; None takes the variable ANYMASK_TOKEN.
        timeout: seconds to wait for an answer.

    Raises:
        InputError: no address of a server.
    """

    def __init__(
        self, address: str = "http://localhost:8000", *, token: str | None = None, timeout: float = 120.0
    ) -> None:
        import httpx

        token = token or os.environ.get("ANYMASK_TOKEN") or None
        if not address.startswith(("http://", "https://")):
            raise InputError(f"the server's address is {address!r}: it takes http:// or https://, a name and a port")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(base_url=address.rstrip("/"), headers=headers, timeout=timeout)
        except (httpx.InvalidURL, ValueError) as error:
            raise InputError(f"the server's address is {address!r}: {error}") from None

    def encode(self, source: ImageSource | Image) -> RemoteImage:
        """Bring an image to the server, which encodes it.

        A file or bytes travel as they are; arrays, Pillow images and opened images as PNG.

        Args:
            source: as for `Segmenter.encode`.

        Raises:
            ImageError: it cannot be read here.
            ServerError: the server does not take it.
        """
        image, encoded = _read(source)
        answer = self.request("POST", "/v1/images", files={"file": ("photo", encoded)}).json()
        return RemoteImage(self, answer, image)

    def open(self, id: str) -> RemoteImage:
        """An image that the server has already, by its id (`Image.pixel_hash`).

        Raises:
            ServerError: unknown or forgotten there.
        """
        return RemoteImage(self, self.request("GET", f"/v1/images/{id}").json(), None)

    def models(self) -> dict[str, Any]:
        """What answers there, the formats of exports, and the limits."""
        return cast("dict[str, Any]", self.request("GET", "/v1/models").json())

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the server.

        Raises:
            InputError: it says that the request is at fault.
            ServerError: it refuses for another reason, fails, or does not answer.
        """
        import httpx

        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ServerError(f"no answer from {self._http.base_url}: {str(error) or type(error).__name__}") from None
        _check(answer)
        return answer

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Server-sent events: name and data, until the server ends the stream.

        Raises:
            ServerError: as `request`.
        """
        import httpx

        try:
            with self._http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    _check(answer)
                name = ""
                for line in answer.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
        except httpx.HTTPError as error:
            raise ServerError(f"the connection to {self._http.base_url} broke: {error}") from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class RemoteImage:
    """An image on a server. It answers what an `EncodedImage` answers, with the same arguments.

    Attributes:
        id: of the image there, its pixel hash.
        size: (width, height) as displayed.
    """

    def __init__(self, client: Client, answer: Mapping[str, Any], image: Image | None) -> None:
        self.id: str = answer["id"]
        self.size: tuple[int, int] = (answer["width"], answer["height"])
        self._client = client
        self._image = image
        self._path = f"/v1/images/{self.id}"

    @property
    def source(self) -> Image:
        """The opened image; fetched from the server if it was not brought from here."""
        if self._image is None:
            answer = self._client.request("GET", f"{self._path}/picture", params={"format": "png"})
            self._image = open_image(answer.content)
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
        """Ask for one or several objects; see `EncodedImage.segment`.

        Prompts are checked here, so that mistakes are told without asking the server.

        Args:
            points: as there, like all that follows.
            labels: 1 include, 0 exclude.
            box: one box.
            boxes: one object each.
            mask_input: a mask of the image's size; an earlier answer goes into `previous`.
            objects: "one", "per_point" or "auto".
            coordinates: "pixels", "normalized" or "percent".
            box_format: "xyxy", "xywh" or "cxcywh".
            previous: an earlier answer of the same server.
            options: ``select``, ``refine``, ``max_hole_area``, ``max_island_area``; ``window=``, what is looked at, in
                pixels: where it shows more than the image as a whole, the server asks there (`RemoteMask.window`);
                ``preview=True`` for masks from one pass of the decoder.

        Raises:
            PromptError: a value that cannot be right.
            ServerError: the server refuses or fails.
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
            raise PromptError("an earlier mask goes with a prompt about one object")
        check_objects(objects, all(value is None for value in (box, boxes, mask_input, previous)))
        if objects == "auto" and len(prompts) == 1:
            return self._answer([_body(prompts[0])], (), {**options, "objects": "auto"})
        earlier = {**_reference(previous), **_drawn(mask_input)}
        return self._answer([{**_body(prompt), **earlier} for prompt in prompts], prompts, options)

    def segment_text(self, text: str | Sequence[str], **options: Any) -> MaskSet:
        """Detect what text names, and segment it; see `EncodedImage.segment_text`.

        Args:
            text: one phrase, several with commas between them, or a list.
            options: as for `segment`.

        Raises:
            ServerError: the server refuses or fails.
        """
        phrases = text if isinstance(text, str) else ", ".join(text)
        return self._answer([{"text": phrases}], (), options)

    def _answer(self, bodies: list[dict[str, Any]], prompts: Sequence[Prompt], options: dict[str, Any]) -> MaskSet:
        answer = self._client.request("POST", f"{self._path}/segment", json={"prompts": bodies, **options}).json()
        masks = [_mask(entry) for entry in answer["masks"]]
        if options.get("objects") == "auto":  # as the library: a prompt for each object, with its own points
            notes = tuple(answer["prompts"][0].get("notes", ()))
            prompts = [
                Prompt(np.array(each["points"], np.float64), np.array(each["labels"], np.int64), notes=notes)
                for each in answer["masks"]
            ]
            masks = [cast("RemoteMask", mask.replace(prompt_index=index)) for index, mask in enumerate(masks)]
        elif not prompts:
            prompts = [Prompt(text=each["text"], notes=tuple(each.get("notes", ()))) for each in answer["prompts"]]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_run(answer))

    def predict(
        self, points: ArrayLike | None = None, labels: ArrayLike | None = None, box: ArrayLike | None = None
    ) -> MaskSet:
        """The model's three answers to one prompt, as masks with scores; see `EncodedImage.predict`."""
        prompts = make_prompts(self.size, points=points, labels=labels, box=box)
        body = {"prompts": [_body(prompt) for prompt in prompts], "candidates": True, "refine": "off"}
        answer = self._client.request("POST", f"{self._path}/segment", json=body).json()
        masks = [_mask(entry) for entry in answer["masks"][0]["candidates"]]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_run(answer))

    def alternatives(
        self, points: ArrayLike, labels: ArrayLike | None = None, most: int = 6, coordinates: CoordinateName = "pixels"
    ) -> MaskSet:
        """What a click may mean: distinct answers, the best first; see `EncodedImage.alternatives`."""
        (prompt,) = make_prompts(
            self.size, points=[np.asarray(points)], labels=None if labels is None else [labels], coordinates=coordinates
        )
        asked = prompt.as_dict()
        body = {"points": asked["points"], "labels": asked["labels"], "most": most}
        answer = self._client.request("POST", f"{self._path}/alternatives", json=body).json()
        return MaskSet(
            [_mask(e) for e in answer["masks"]], image=self.source, prompts=(prompt,), provenance=_run(answer)
        )

    def detect(self, text: str, **options: Any) -> list[dict[str, Any]]:
        """Boxes of what words name: label, score and box each.

        Args:
            text: phrases, with commas between them.
            options: ``threshold``, ``max_per_label``, ``zoom``.
        """
        answer = self._client.request("POST", f"{self._path}/detect", json={"text": text, **options}).json()
        return cast("list[dict[str, Any]]", answer["detections"])

    def everything(
        self,
        *,
        progress: Callable[[GeneratorProgress], None] | None = None,
        stop: Callable[[], bool] | None = None,
        **parameters: Any,
    ) -> MaskSet:
        """Find all objects; see `EncodedImage.everything`. Each mask's `parent` tells what it is a part of.

        Args:
            progress: told how far the server is.
            stop: asked after each report of progress; true ends the search with what was found.
            parameters: as there.

        Raises:
            ServerError: the server refuses or fails, or goes down before it found anything.
        """
        started = self._client.request("POST", f"{self._path}/everything", json=parameters).json()
        ended: dict[str, Any] = {}
        try:
            for name, data in self._client.events(started["events"]):
                if name == "progress" and "asked" in data and progress is not None:
                    progress(GeneratorProgress(data["asked"], data["planned"], data["found"], data["seconds"]))
                if stop is not None and name == "progress" and stop():
                    self._client.request("DELETE", started["state"])
                ended = data
        except BaseException:
            with suppress(AnymaskError):  # Ctrl-C here is to end the work there, too
                self._client.request("DELETE", started["state"])
            raise
        result = ended.get("result")
        if result is None:
            problem = ended.get("problem") or {"detail": f"the job ended as {ended.get('state', 'unknown')}"}
            raise ServerError(str(problem["detail"]), int(problem.get("status", 0)))
        prompts = [Prompt(points=np.array([entry["point"]]), labels=np.ones(1, np.int64)) for entry in result["masks"]]
        masks = [_mask(entry).replace(prompt_index=index) for index, entry in enumerate(result["masks"])]
        return MaskSet(masks, image=self.source, prompts=prompts, provenance=_run(result), shows_prompts=False)

    def forget(self) -> None:
        """Have the server forget the image."""
        self._client.request("DELETE", self._path)

    def __repr__(self) -> str:
        return f"<RemoteScene {self.size[0]}×{self.size[1]} on {self._client._http.base_url}>"


def _read(source: ImageSource | Image) -> tuple[Image, bytes]:
    """The opened image, and the bytes that the server is to decode to the same pixels."""
    if isinstance(source, (str, os.PathLike)):
        image = open_image(source)
        return image, Path(os.fspath(source)).read_bytes()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return open_image(source), bytes(source)
    import PIL.Image

    image = open_image(source)
    buffer = io.BytesIO()
    PIL.Image.fromarray(image.pixels).save(buffer, "png", compress_level=1)
    return image, buffer.getvalue()


def _body(prompt: Prompt) -> dict[str, Any]:
    asked = prompt.as_dict()
    return {
        "points": asked["points"] or None,
        "labels": asked["labels"] if asked["points"] else None,
        "box": asked["box"],
    }


def _reference(previous: Mask | None) -> dict[str, Any]:
    if previous is None:
        return {}
    reference = getattr(previous, "reference", None)
    if reference is None:
        raise PromptError("the previous mask is none of this server's answers; pass it as mask_input instead")
    return {"logits": reference}


def _drawn(mask_input: Any) -> dict[str, Any]:
    if mask_input is None:
        return {}
    mask = mask_input if isinstance(mask_input, Mask) else Mask.from_array(mask_input)
    return {"mask": mask.rle}


def _mask(entry: Mapping[str, Any]) -> RemoteMask:
    mask = cast("RemoteMask", RemoteMask.from_rle(entry["rle"], **masks_json.about_mask(entry)))
    mask.reference, mask.parent, mask.window = entry.get("logits"), entry.get("parent"), entry.get("window")
    return mask


def _run(answer: Mapping[str, Any]) -> Provenance:
    names = ("model", "engine", "precision", "device", "version")
    told: dict[str, Any] = {name: answer.get(name) or "" for name in names}
    return Provenance(**told, seconds=answer.get("seconds") or {})


def _check(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        problem = answer.json()
        line, kind = str(problem["detail"]), str(problem["type"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        line, kind = f"the server answered {answer.status_code} {answer.reason_phrase}", ""
    if answer.status_code == 422:
        raise PromptError(line)
    wait = answer.headers.get("Retry-After", "")
    raise ServerError(line, answer.status_code, kind, float(wait) if wait.isdigit() else None)
