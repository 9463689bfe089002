"""A `Segmenter` is a loaded model: it encodes images."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask._version import __version__
from anymask.detection.loading import FAMILIES as DETECTOR_FAMILIES
from anymask.engines.base import Engine
from anymask.engines.loading import load_engine
from anymask.engines.registry import PRECISIONS
from anymask.errors import ImageError, ModelError, quantity
from anymask.io.image import Image, ImageSource, open_image
from anymask.models.base import Model, load_model
from anymask.models.sam.constants import CODE_VERSION
from anymask.prediction.embedding_cache import EmbeddingStore
from anymask.prediction.encoded_image import EncodedImage
from anymask.prediction.runtime import Runtime
from anymask.prediction.subject_model import SUBJECT_FAMILIES
from anymask.structures.provenance import Provenance
from anymask.weights import Progress, cache_root, ensure, find_model

_log = logging.getLogger("anymask")


def load(
    model: str | os.PathLike[str] = "mobile-sam",
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    device: str = "auto",
    store: bool = True,
    allow: str | Sequence[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Segmenter:
    """Get a model ready: fetch and verify its weights if needed, and set up an engine.

    ```python
    segmenter = anymask.load("mobile-sam")
    ```

    Args:
        model: a name of `anymask models list`, another that people know it by (`vit_b`, `facebook/sam-vit-base`), or
            the path of a checkpoint.
        engine: "openvino", "onnxruntime", or "auto".
        precision: "f32", "bf16", "int8" (the encoder of mobile-sam), or "auto": bf16 where the CPU has it.
        threads: CPU threads for one call; None leaves it to the engine.
        device: "cpu", "cuda", "coreml", or "auto": a CUDA GPU if the installed ONNX Runtime has and can use one,
            else the CPU. A named device is used or refused, never replaced.
        store: keep embeddings on disk, so that an image is encoded once for all processes.
        allow: licences of weights that may be used; None reads the variable ANYMASK_ALLOW.
        progress: called with the progress of downloads.
        options: of the model's family; FastSAM takes `imgsz`, `conf`, `iou` and `max_det`, see
            `anymask.models.fastsam.model`, and SAM takes none.

    Raises:
        ModelError: unknown model, engine, precision, device or option.
        WeightsError: the weights cannot be fetched, are damaged, or their licence is not allowed.
        EngineError: the engine is missing or cannot do this.
    """
    started = time.perf_counter()
    entry = find_model(os.fspath(model))
    if entry.family in DETECTOR_FAMILIES:
        raise ModelError(f"{entry.name} finds boxes and makes no masks; name it as the detector")
    if entry.family in SUBJECT_FAMILIES:
        raise ModelError(f"{entry.name} takes no prompts; name it as the model of subjects (--subject-model)")
    runtime = load_engine(engine, precision=precision, threads=threads, cache=cache_root() / "graphs", device=device)
    files = ensure(entry, allow=allow, progress=progress)
    key = hashlib.sha256("".join(file.sha256 for file in entry.files).encode()).hexdigest()
    family = load_model(entry.family, files, key, runtime, **options)
    embeddings = EmbeddingStore(cache_root() / "embeddings") if store else None
    arguments = {
        "model": entry.name, "engine": engine, "precision": precision, "threads": threads, "device": device,
        "store": store, "allow": allow, **options,
    }  # fmt: skip
    seconds = time.perf_counter() - started
    _log.info(
        "model %s: %s %s, %s on %s, %s; loaded in %.2f s",
        entry.name, runtime.name, runtime.version.partition("-")[0], family.precision, runtime.device,
        quantity(runtime.threads, "thread"), seconds,
    )  # fmt: skip
    return Segmenter(entry.name, key, family, runtime, embeddings, seconds, arguments)


_LOADED_AGAIN: dict[str, Segmenter] = {}
_LOADED_AGAIN_LOCK = threading.Lock()


def _load_again(arguments: Mapping[str, Any]) -> Segmenter:
    """The segmenter of a pickle: loaded once in a process, however many pickles name it."""
    key = repr(sorted(arguments.items()))
    with _LOADED_AGAIN_LOCK:
        if key not in _LOADED_AGAIN:
            _LOADED_AGAIN[key] = load(**arguments)
        return _LOADED_AGAIN[key]


_IMAGE_TYPES = {
    "fastsam": ("anymask.prediction.fastsam", "FastSamImage"),
}
"""Families whose models do not decode prompts into logits → module and class of their encoded images; imported late."""
_IMAGE_FROM_LOGITS = ("anymask.prediction.sam", "SamImage")


class Segmenter:
    """A loaded model. Holds no image; safe to use from several threads at once.

    Attributes:
        model: its name.
        engine, precision, device, threads: what really runs.
        weights: sha256 over those of the model's files.
        network: encodes pixels and decodes prompts.
    """

    def __init__(
        self,
        model: str,
        key: str,
        family: Model,
        engine: Engine,
        store: EmbeddingStore | None,
        seconds: float,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.engine = engine.name
        self.precision = family.precision
        self.device = engine.device
        self.threads = engine.threads
        self.weights = key
        self._key = (
            key, str(CODE_VERSION), engine.name, engine.version, family.precision, engine.device, *family.variant
        )  # fmt: skip
        self.network = family
        self._store = store
        self._load_seconds = seconds
        self._arguments = arguments

    def encode(self, source: ImageSource | EncodedImage, **options: Any) -> EncodedImage:
        """Encode an image once, so that any number of prompts takes milliseconds each.

        Args:
            source: a path, bytes, a file, a PIL image, an array [H, W, 3] of uint8 RGB, an opened `Image`, or an image
                that another model has encoded.
            options: of `anymask.open_image`, for example `channels="bgr"` for an array from OpenCV, or `window` for
                16-bit images.

        Raises:
            ImageError: the image cannot be read, breaks a limit, or is opened already and has options.
        """
        opened = source.source if isinstance(source, EncodedImage) else source
        if options and isinstance(opened, Image):
            raise ImageError(f"the image is opened already: pass {', '.join(options)} to anymask.open_image")
        image = opened if isinstance(opened, Image) else open_image(opened, **options)
        started = time.perf_counter()
        embedding = self._stored(image)
        how = "encoded by the model" if embedding is None else "embedding read from the cache"
        if embedding is None:
            with ThreadPoolExecutor(
                1
            ) as beside:  # graphs load on one core, and the encoder's own loading leaves the other idle
                ready = beside.submit(self.network.prepare)
                embedding = self.network.encode(image.pixels)
                ready.result()
            if self._store is not None:
                self._store.put(embedding, image.pixel_hash, *self._key)
        embedding.setflags(write=False)
        seconds = time.perf_counter() - started
        _log.info("image %dx%d: %s in %.2f s", *image.size, how, seconds)
        return self.image_type(self.runtime, image, embedding, seconds)

    def store_embeddings_in(self, folder: Path) -> None:
        """Store embeddings in a folder of its own from now on, which several machines may share.

        Args:
            folder: made when first written; capped as the usual one is.
        """
        self._store = EmbeddingStore(folder)

    @property
    def runtime(self) -> Runtime:
        """What encoded images hold of it; made anew, so that without images nothing keeps the model in memory."""
        return Runtime(self.model, self.network, self.provenance, self.encode, self.detector_options, self)

    @property
    def image_type(self) -> type[EncodedImage]:
        """The class of the model's encoded images."""
        module, name = _IMAGE_TYPES.get(self.network.name, _IMAGE_FROM_LOGITS)
        image_type: type[EncodedImage] = getattr(import_module(module), name)
        return image_type

    def embedding_path(self, image: Image) -> Path | None:
        """Path of an image's embedding on disk, whether it exists or not; None without a store."""
        return None if self._store is None else self._store.path(image.pixel_hash, *self._key)

    def stored_embedding(self, pixel_hash: str) -> Path | None:
        """Path of the embedding of an image with these pixels on disk; None without one."""
        path = None if self._store is None else self._store.path(pixel_hash, *self._key)
        return path if path is not None and path.is_file() else None

    def _stored(self, image: Image) -> NDArray[np.float32] | None:
        return None if self._store is None else self._store.get(image.pixel_hash, *self._key)

    @property
    def detector_options(self) -> dict[str, Any]:
        """Engine, precision, threads and device for a detector beside this model."""
        precision = self.precision if self.precision in PRECISIONS else "auto"
        return {"engine": self.engine, "precision": precision, "threads": self.threads, "device": self.device}

    @property
    def subject_model_options(self) -> dict[str, Any]:
        """Engine, threads, device and allowed licences for a model of subjects beside this model."""
        precision = self.precision if self.precision in ("f32", "bf16") else "auto"
        return {**self.detector_options, "precision": precision, "allow": (self._arguments or {}).get("allow")}

    def provenance(self, encode: float = 0.0, decode: float = 0.0) -> Provenance:
        """What runs, for a result that took so many seconds to encode and to decode."""
        return Provenance(
            model=self.model,
            engine=self.engine,
            precision=self.precision,
            device=self.device,
            threads=self.threads,
            version=__version__,
            weights=self.weights,
            engine_version=self._key[3],
            seconds={"load": self._load_seconds, "encode": encode, "decode": decode},
        )

    def __reduce__(self) -> tuple[Callable[[Mapping[str, Any]], Segmenter], tuple[Mapping[str, Any]]]:
        """Pickle as the arguments of `load`: each process that gets it loads the model once.

        Raises:
            TypeError: it was not made by `load`.
        """
        if self._arguments is None:
            raise TypeError("a Segmenter pickles only if anymask.load made it: call anymask.load in each process")
        return _load_again, (self._arguments,)

    def __repr__(self) -> str:
        threads = quantity(self.threads, "thread")
        return f"<Segmenter {self.model}: {self.engine} {self.precision} on {self.device}, {threads}>"
