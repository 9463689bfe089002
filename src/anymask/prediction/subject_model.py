"""Models that find the subject of an image without a prompt, with soft edges.

```python
model = anymask.load_subject_model("isnet", allow="agpl-3.0,dis5k-terms,apache-2.0")
result = model.segment("dog.jpg")
anymask.cutout(result.image, result, edges="soft").save("dog.png")
```
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask._version import __version__
from anymask.engines.base import Engine
from anymask.engines.loading import load_engine
from anymask.errors import ModelError
from anymask.io.image import Image, ImageSource, open_image
from anymask.models.isnet import IsNet
from anymask.prediction.sharpening import sharpen_mask
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import Prompt
from anymask.structures.provenance import Call, Provenance
from anymask.structures.transforms import LOGIT_SIDE, MODEL_SIDE, ResizeLongestSide
from anymask.weights import ModelEntry, Progress, all_models, cache_root, ensure, find_model, require_allowed

SUBJECT_FAMILIES = ("isnet",)

_LEAST = 1e-4
"""Alpha nearer than this to 0 or 1 has no larger logit."""


class SubjectModel:
    """A loaded model. Holds no image; safe to use from several threads at once. Made by `load_subject_model`.

    Attributes:
        name: in the catalogue.
        engine, precision, device, threads: what really runs.
        weights: sha256 over those of the model's files.
    """

    def __init__(self, name: str, weights: str, network: IsNet, engine: Engine, seconds: float) -> None:
        self.name, self.weights = name, weights
        self.engine, self.precision, self.device = engine.name, engine.precision, engine.device
        self.threads = engine.threads
        self._network = network
        self._engine_version = engine.version
        self._seconds = seconds

    def subject_map(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How much of each place belongs to the subject.

        Args:
            pixels: uint8 [H, W, 3], RGB.

        Returns:
            float32 [S, S], 0 to 1, of the image stretched to a square; `full_alpha` gives it in the image's size.
        """
        return self._network.subject_map(pixels)

    def segment(self, source: ImageSource | Image, max_hole_area: float = 0, max_island_area: float = 0) -> MaskSet:
        """Segment the subject of an image.

        Args:
            source: as for `Segmenter.encode`.
            max_hole_area: fill holes of fewer pixels.
            max_island_area: drop islands of fewer pixels.

        Returns:
            One mask, whose `probabilities` are the soft edges and whose score is None; it is empty where the model
            finds no subject.

        Raises:
            ImageError: the image cannot be read, or breaks a limit.
            InputError: an area below 0.
        """
        image = source if isinstance(source, Image) else open_image(source)
        started = time.perf_counter()
        mask = mask_of_map(self.subject_map(image.pixels), image.size).remove_small_regions(
            max_hole_area, max_island_area
        )
        prompt = Prompt(notes=(f"without a prompt: {self.name} found this subject",))
        call = Call("segment_subject", {"max_hole_area": max_hole_area, "max_island_area": max_island_area})
        ran = replace(self.provenance(time.perf_counter() - started), call=call)
        return MaskSet([mask], image=image, prompts=(prompt,), provenance=ran)

    def sharpen(self, result: MaskSet) -> MaskSet:
        """Sharpen the outlines of masks where this model agrees with them, see `anymask.prediction.sharpening`.

        ```python
        result = model.sharpen(image.segment(box=[530, 180, 780, 600]))
        ```

        Args:
            result: masks of an image, from any model.

        Returns:
            The same result; the masks that were sharpened say so in `edits`, and have the model's soft edges in their
            `probabilities`, if they had any. The record of how the result was made ends with this step.

        Raises:
            InputError: the result has no pixels of its image.
        """
        if not len(result):
            return result
        alpha = full_alpha(self.subject_map(result.image.pixels), result.size)
        prompts = result.prompts
        masks = [
            sharpen_mask(
                mask, alpha, prompts[mask.prompt_index] if mask.prompt_index < len(prompts) else None, self.name
            )
            for mask in result
        ]
        ran = result.provenance
        call = ran.call.followed_by("sharpen", model=self.name)
        return MaskSet(masks, image=result.image, prompts=prompts, provenance=replace(ran, call=call))

    def provenance(self, seconds: float = 0.0) -> Provenance:
        """What runs, for a result that took so many seconds."""
        return Provenance(
            model=self.name, engine=self.engine, precision=self.precision, device=self.device, threads=self.threads,
            version=__version__, weights=self.weights, engine_version=self._engine_version,
            seconds={"load": self._seconds, "encode": seconds, "decode": 0.0},
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<SubjectModel {self.name}: {self.engine} {self.precision} on {self.device}>"


def load_subject_model(
    name: str = "isnet",
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    device: str = "auto",
    allow: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> SubjectModel:
    """Get a model for subjects ready: fetch and verify its weights if needed, and set up an engine.

    Args:
        name: of the catalogue.
        engine: as for `anymask.load`.
        precision: as for `anymask.load`.
        threads: as for `anymask.load`.
        device: as for `anymask.load`.
        allow: licences of weights that may be used; those of isnet must be allowed by name, here or in ANYMASK_ALLOW.
        progress: called with the progress of downloads.

    Raises:
        ModelError: an unknown name, or a model that is none for subjects.
        WeightsError: the weights cannot be fetched, are damaged, or their licence is not allowed.
        EngineError: the engine is missing or cannot do this.
    """
    started = time.perf_counter()
    entry = _entry(name)
    runtime = load_engine(engine, precision=precision, threads=threads, cache=cache_root() / "graphs", device=device)
    files = ensure(entry, allow=allow, progress=progress)
    key = hashlib.sha256("".join(file.sha256 for file in entry.files).encode()).hexdigest()
    network = IsNet(list(files.values()), key, runtime)
    return SubjectModel(entry.name, key, network, runtime, time.perf_counter() - started)


def shared_subject_model(model: str | SubjectModel, **arguments: Any) -> SubjectModel:
    """Return a model; one given by name is loaded once per process for each runtime.

    Args:
        model: a name, or a model, which is returned as it is.
        arguments: of `load_subject_model`; the licences are checked at each call.

    Raises:
        ModelError, WeightsError, EngineError: as `load_subject_model`.
    """
    if isinstance(model, SubjectModel):
        return model
    entry = _entry(model)
    require_allowed(entry, arguments.get("allow"))
    key = (entry.name, str(cache_root()), *(value for name, value in sorted(arguments.items()) if name != "allow"))
    with _LOCK:
        if key not in _MODELS:
            _MODELS[key] = load_subject_model(model, **arguments)
        return _MODELS[key]


_LOCK = threading.Lock()
_MODELS: dict[tuple[Any, ...], SubjectModel] = {}


def _entry(name: str) -> ModelEntry:
    models = [each.name for each in all_models().values() if each.family in SUBJECT_FAMILIES]
    if not isinstance(name, str):
        raise ModelError(f"a model for subjects is {name!r}: it takes a name, such as {models[0]}")
    entry = find_model(name)
    if entry.family not in SUBJECT_FAMILIES:
        raise ModelError(f"{name} does not find subjects without a prompt; these do: {', '.join(models)}")
    return entry


def mask_of_map(subject_map: NDArray[np.float32], size: tuple[int, int]) -> Mask:
    """The mask of a subject, with its soft edges as logits.

    Args:
        subject_map: float32 [S, S], of `SubjectModel.subject_map`.
        size: (width, height) of the image.
    """
    return Mask(
        lambda: full_alpha(subject_map, size) > 0.5,
        size,
        logits=partial(_low_resolution_logits, subject_map, size),
        full_logits=lambda: alpha_logits(full_alpha(subject_map, size)),
    )


def full_alpha(subject_map: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """A map in the size of the image: float32 [S, S] → float32 [H, W], 0 to 1."""
    from PIL import Image

    resized = Image.fromarray(subject_map).resize(size, Image.Resampling.LANCZOS)
    return np.clip(np.asarray(resized, np.float32), 0, 1)


def alpha_logits(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of probabilities, float32 of the same shape, within ±9.2."""
    inner = np.clip(alpha, _LEAST, 1 - _LEAST)
    logits: NDArray[np.float32] = np.log(inner / (1 - inner))
    return logits


def _low_resolution_logits(subject_map: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Logits float32 [256, 256] in the padded frame, as `Mask.logits`."""
    from PIL import Image

    width, height = ResizeLongestSide(*size).resized
    padded = np.zeros((MODEL_SIDE, MODEL_SIDE), np.float32)
    padded[:height, :width] = full_alpha(subject_map, (width, height))
    small = Image.fromarray(padded).resize((LOGIT_SIDE, LOGIT_SIDE), Image.Resampling.BOX)
    return alpha_logits(np.asarray(small))
