"""Segment Anything and the models that share its prompt encoder and mask decoder (SAM, MobileSAM)."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anymask.engines.base import CompiledGraph, Engine
from anymask.errors import ModelError
from anymask.models.sam.constants import (
    ABSENT,
    BOTTOM_RIGHT,
    CODE_VERSION,
    HALF_IMAGE,
    NOT_A_POINT,
    PIXEL_DEVIATION,
    PIXEL_MEAN,
    TOP_LEFT,
    stem_side,
)
from anymask.models.sam.token_merging import merge_tokens
from anymask.structures.prompt import Prompt
from anymask.structures.transforms import MODEL_SIDE, ResizeLongestSide, resized_to

if TYPE_CHECKING:
    import onnx

    from anymask.engines.external_weights import DetachedGraph
    from anymask.models.sam.quantization import Ranges
    from anymask.weights.checkpoints.state_dict import StateDict

GraphTable: TypeAlias = "dict[str, tuple[Callable[[StateDict], onnx.ModelProto | DetachedGraph], bool, int]]"
"""How each graph is built, whether it is computed in f32 at any precision, and the number of parallel requests."""

BATCH = 16
"""Prompts per run of the decoder: more are not faster on a CPU and cost 5 MB of memory each."""

PARALLEL_DECODES = 8
"""Maximum number of parallel runs of the search decoder: with more, each would have too few prompts of a batch."""

_LARGE = 3 * 2048 * 1024
"""Size of an array from which resizing with several threads is faster."""
_BAND = 8 * 2**20
"""Size of the array that one thread resizes at once: Pillow copies it, with four bytes per pixel."""


class Sam:
    """A SAM model on an engine. Graphs are compiled when first needed; see `anymask.models.base.Model`."""

    variant: tuple[str, ...] = ()

    name = "sam"
    geometry: type[ResizeLongestSide] = ResizeLongestSide
    logit_limit: float | None = None
    pred_iou_thresh = 0.88
    sampling: Literal["adaptive", "grid"] = "adaptive"
    encoders: tuple[str, ...] = ("vit", "tinyvit", "repvit", "efficientvit")
    """Image encoders of checkpoints that this class runs."""

    def __init__(self, files: Sequence[Path], key: str, engine: Engine) -> None:
        self._files = tuple(files)
        self._key = key
        self._engine = engine
        self.precision = engine.precision
        self._ranges = _int8_ranges(key) if engine.precision == "int8" else None
        self._graphs: dict[str, CompiledGraph] = {}
        self._latest_merged: tuple[weakref.ref[Any], tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None
        self._locks = {name: threading.Lock() for name in self._table}
        if not any(file.suffix.lower() == ".onnx" for file in self._files):
            self.parameters()  # it takes milliseconds, and other checkpoints are refused before any work

    @property
    def parallel_requests(self) -> int:
        """How many calls of `decode` with `searching` to run at once."""
        return self._graph("search_decoder").parallel_requests

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed an image: uint8 [H, W, 3] RGB → float32 [1, 4096, 256], the 64×64 image tokens in row-major order.

        With HQ-SAM's additions [1, 4096, 768], see `anymask.models.sam.high_quality`.
        """
        encoder = self._graph("encoder")
        if HALF_IMAGE in encoder.inputs:
            return encoder(**{HALF_IMAGE: preprocess(pixels, self._engine.threads, side=MODEL_SIDE // 2)})["embedding"]
        if "features" not in encoder.inputs:
            return encoder(image=preprocess(pixels, self._engine.threads))["embedding"]
        columns, rows = (stem_side(side) for side in ResizeLongestSide(pixels.shape[1], pixels.shape[0]).resized)
        features = self._graph("stem")(image=preprocess(pixels, self._engine.threads, (rows, columns)))
        return encoder(**features)["embedding"]

    def decode(
        self,
        embedding: NDArray[np.float32],
        frame: ResizeLongestSide,
        prompts: Sequence[Prompt],
        *,
        searching: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks: logits, float32 [B, 4, 256, 256], and IoU, float32 [B, 4], in the order of the prompts.

        With `searching` see `anymask.models.sam.mask_decoder.search_decoder`: logits [B, 4, rows, columns].
        """
        if searching:
            parts = [
                self._decode("search_decoder", embedding, frame, prompts[start : start + BATCH])
                for start in range(0, len(prompts), BATCH)
            ]
            return _concatenate(parts, "logits"), _concatenate(parts, "scores")
        logits = np.empty((len(prompts), 4, 256, 256), np.float32)
        scores = np.empty((len(prompts), 4), np.float32)
        for graph, indices in self._batches(prompts, "decoder", "mask_decoder"):
            outputs = self._decode(graph, embedding, frame, [prompts[i] for i in indices])
            logits[indices], scores[indices] = outputs["logits"], outputs["scores"]
        return logits, scores

    def object_scores(
        self, embedding: NDArray[np.float32], frame: ResizeLongestSide, prompts: Sequence[Prompt]
    ) -> NDArray[np.float32] | None:
        """None: SAM does not say whether there is an object.

        Args:
            embedding: float32 [1, 4096, 256], of `encode`.
            frame: the geometry of the image in the model.
            prompts: B prompts.
        """
        return None

    def prepare(self) -> None:
        """Compile what `decode` needs for points and boxes."""
        for name in ("prompt_encoder", "decoder"):
            self._graph(name)

    def release(self) -> None:
        """Free what only a run needs: 75 MB after `encode` and 200 MB after a full batch in `decode`, in bf16."""
        for graph in list(self._graphs.values()):
            graph.release()

    def _decode(
        self, graph: str, embedding: NDArray[np.float32], frame: ResizeLongestSide, prompts: Sequence[Prompt]
    ) -> dict[str, NDArray[np.float32]]:
        """Run a decoder on one batch: logits [B, 4, rows, columns] and scores [B, 4], float32."""
        points, labels = rectangular([self._sparse_prompt(frame, prompt) for prompt in prompts])
        inputs: dict[str, NDArray[Any]] = {
            "embedding": embedding,
            **self._graph("prompt_encoder")(points=points, labels=labels),
        }
        if "mask_input" in self._graph(graph).inputs:
            inputs["mask_input"] = self._mask_inputs(prompts)
        if "merged" in self._graph(graph).inputs:
            inputs["merged"], inputs["place"] = self._merged_tokens(embedding, frame)
        return self._graph(graph)(**inputs)

    def _merged_tokens(
        self, embedding: NDArray[np.float32], frame: ResizeLongestSide
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`merge_tokens` of an embedding, float32 [1, 4096, 256], once for all batches: int64 [N] and [R, C]."""
        latest = self._latest_merged
        if latest is None or latest[0]() is not embedding:
            latest = self._latest_merged = weakref.ref(embedding), merge_tokens(embedding, frame)
        return latest[1]

    def _batches(
        self, prompts: Sequence[Prompt], graph: str, with_mask_input: str
    ) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Batches of prompts for one of two graphs: its name, and indices int64 [N]."""
        with_mask = np.array([prompt.mask_input is not None for prompt in prompts], bool)
        for name, members in ((graph, ~with_mask), (with_mask_input, with_mask)):
            indices = np.flatnonzero(members)
            for start in range(0, len(indices), BATCH):
                yield name, indices[start : start + BATCH]

    def _mask_inputs(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Mask inputs of prompts, float32 [B, 1, 256, 256]."""
        return np.stack([prompt.mask_input for prompt in prompts if prompt.mask_input is not None])[:, None]

    def _sparse_prompt(self, frame: ResizeLongestSide, prompt: Prompt) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Points, float32 [N, 2] in the 1,024 frame, and labels, int64 [N], of one prompt.

        As in the reference, a prompt without a box has one "not a point", and a box follows its points.
        """
        points = frame.to_model(prompt.points)
        if prompt.box is None:
            # Without any point the reference passes no padding either: the mask input stands alone.
            padding = 1 if len(points) else 0
            return (
                np.concatenate([points, np.zeros((padding, 2), np.float32)]),
                np.concatenate([prompt.labels, np.full(padding, NOT_A_POINT, np.int64)]),
            )
        corners = frame.to_model(prompt.box.reshape(2, 2))
        return (
            np.concatenate([points, corners]),
            np.concatenate([prompt.labels, np.array([TOP_LEFT, BOTTOM_RIGHT], np.int64)]),
        )

    def parameters(self) -> StateDict:
        """The parameters under their official names, read from the files.

        Raises:
            ModelError: the files are not those of a model of this family.
            WeightsError: a file cannot be read, or has changed since it was verified.
        """
        return _read_parameters(self._key, self._files, self.encoders)

    @property
    def _table(self) -> GraphTable:
        return _GRAPHS

    def _graph(self, name: str) -> CompiledGraph:
        """A graph of the table, compiled when it is first used."""
        with self._locks[name]:
            if name not in self._graphs:
                build, exact, parallel_requests = self._table[name]
                key = f"{self._key}/{name}/{CODE_VERSION}"
                if name == "encoder" and self._ranges is not None:
                    build, key = partial(_build_encoder, ranges=self._ranges), f"{key}/int8"
                self._graphs[name] = self._engine.compile(
                    key,
                    lambda: build(self.parameters()),
                    exact=exact,
                    parallel_requests=parallel_requests,
                )
            return self._graphs[name]


def _concatenate(parts: Sequence[Mapping[str, NDArray[np.float32]]], name: str) -> NDArray[np.float32]:
    """One output of several batches, float32 [B, ...] each, concatenated along B."""
    return parts[0][name] if len(parts) == 1 else np.concatenate([part[name] for part in parts])


def preprocess(
    pixels: NDArray[np.uint8], threads: int = 1, padded_to: tuple[int, int] | None = None, side: int = MODEL_SIDE
) -> NDArray[np.float32]:
    """Resize, normalise and pad an image as `SamPredictor.set_image` does.

    Args:
        pixels: uint8 [H, W, 3], RGB.
        threads: for large images; the result does not depend on it.
        padded_to: (rows, columns) of the result; the square if left out.
        side: of the square, in pixels.

    Returns:
        float32 [1, 3, rows, columns]; the padding at the bottom and right is 0 *after* normalising.
    """
    height, width = pixels.shape[:2]
    columns, rows = resized_to(width, height, side)
    resized = _resize(pixels, columns, rows, threads)
    padded = np.zeros((1, 3, *(padded_to or (side, side))), np.float32)
    for channel in range(3):
        plane = padded[0, channel, :rows, :columns]
        np.subtract(resized[..., channel], PIXEL_MEAN[channel], out=plane)
        plane /= PIXEL_DEVIATION[channel]
    return padded


def _resize(pixels: NDArray[np.uint8], columns: int, rows: int, threads: int) -> NDArray[np.uint8]:
    """Resize uint8 [H, W, 3] to [rows, columns, 3] as Pillow does, large images in several bands at once.

    Pillow resizes along x, rounds, and then resizes along y; so the first step, which is nearly all of the work on a
    large image, is done for each band of rows separately, without a copy of the whole. (Pillow 13 begins with y if an
    image is more than twice as high as wide.)
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    if pixels.size < _LARGE or height > 1.8 * width:
        return np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR))

    def narrow(band: NDArray[np.uint8]) -> Image.Image:
        """Resize along x only: uint8 [h, W, 3] → [h, columns, 3]."""
        return Image.fromarray(band).resize((columns, len(band)), Image.Resampling.BILINEAR)

    narrowed, top = Image.new("RGB", (columns, height)), 0
    bands = max(threads, -(-pixels.size // _BAND))
    with ThreadPoolExecutor(threads) as pool:
        for band in pool.map(narrow, np.array_split(pixels, bands)):
            narrowed.paste(band, (0, top))
            top += band.height
    return np.asarray(narrowed.resize((columns, rows), Image.Resampling.BILINEAR))


def rectangular(
    prompts: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pad the points and labels of prompts with absent points, which the decoder ignores.

    Args:
        prompts: points float32 [N, 2] in the 1,024 frame and labels int64 [N] of each.

    Returns:
        points float32 [B, N, 2] and labels int64 [B, N].
    """
    longest = max(len(labels) for _, labels in prompts)
    points = np.zeros((len(prompts), longest, 2), np.float32)
    labels = np.full((len(prompts), longest), ABSENT, np.int64)
    for i, (own_points, own_labels) in enumerate(prompts):
        points[i, : len(own_points)] = own_points
        labels[i, : len(own_labels)] = own_labels
    return points, labels


@lru_cache(maxsize=1)
def _read_parameters(key: str, files: tuple[Path, ...], encoders: tuple[str, ...]) -> StateDict:
    """Read and check a model's parameters; ``key`` identifies the content, which can change under the same paths."""
    from anymask.models.sam.checkpoint import check_checkpoint
    from anymask.weights.checkpoints.state_dict import read_state_dict

    parameters = read_state_dict(files)
    check_checkpoint(parameters, encoders)
    return parameters


def _int8_ranges(key: str) -> Ranges:
    """The ranges of a model in int8; raises ModelError if they have not been measured."""
    from anymask.models.sam.quantization import known_ranges

    ranges = known_ranges(key)
    if ranges is None:
        raise ModelError(
            "int8 has been measured for mobile-sam only: with these weights use precision auto, bf16 or f32"
        )
    return ranges


def _build_encoder(parameters: StateDict, ranges: Ranges | None = None) -> onnx.ModelProto | DetachedGraph:
    from anymask.models.sam.encoders import ENCODERS, encoder_of

    encoder = ENCODERS[encoder_of(parameters)]
    if encoder.is_large:
        from anymask.engines.external_weights import DetachedGraph

        return DetachedGraph(partial(encoder.graph, parameters), parameters)
    if ranges is None:
        return encoder.graph(parameters)
    from anymask.models.sam.quantization import Int8
    from anymask.models.sam.tiny_vit import tinyvit_trunk

    return tinyvit_trunk(parameters, Int8(ranges))


def _build_stem(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.tiny_vit import tinyvit_stem

    return tinyvit_stem(parameters)


def _build_prompt_encoder(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.prompt_encoder import sparse_prompt_encoder

    return sparse_prompt_encoder(parameters)


def _build_decoder(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.mask_decoder import mask_decoder

    return mask_decoder(parameters)


def _build_search_decoder(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.high_quality import has_high_quality
    from anymask.models.sam.mask_decoder import mask_decoder, search_decoder

    return mask_decoder(parameters) if has_high_quality(parameters) else search_decoder(parameters)


def _build_mask_decoder(parameters: StateDict) -> onnx.ModelProto:
    from anymask.models.sam.mask_decoder import mask_decoder

    return mask_decoder(parameters, with_mask_input=True)


_GRAPHS: GraphTable = {
    "stem": (_build_stem, False, 1),
    "encoder": (_build_encoder, False, 1),
    "prompt_encoder": (_build_prompt_encoder, True, 1),  # sines of large angles: never in bf16
    "decoder": (_build_decoder, False, 1),
    "mask_decoder": (_build_mask_decoder, False, 1),
    "search_decoder": (_build_search_decoder, False, PARALLEL_DECODES),
}
