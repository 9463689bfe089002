"""OWL-ViT and OWLv2: zero-shot detectors that take any text, or an image of the thing to look for.

M. Minderer et al., "Simple Open-Vocabulary Object Detection with Vision Transformers", 2022, and "Scaling
Open-Vocabulary Object Detection", 2023; checked against `OwlViTForObjectDetection` and `Owlv2ForObjectDetection` of
transformers.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anymask.detection import owlvit_graph
from anymask.detection.detections import Detections
from anymask.detection.owlvit_preprocessing import pad_to_square, resize_to_square
from anymask.detection.phrases import quote
from anymask.errors import EngineError, ModelError, PromptError
from anymask.structures.nms import nms
from anymask.structures.overlap import box_iou

if TYPE_CHECKING:
    from anymask.engines.base import CompiledGraph, Engine

TEMPLATES: tuple[str, ...] = ("a photo of a {}",)
"""What a phrase is put into before it is embedded; CLIP was trained on captions, not on words."""

CLIP_TEMPLATES: tuple[str, ...] = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""The seven that the authors average over; seven times the work per phrase, none per image."""

MAX_TOKENS = 16
_PHRASES_PER_RUN = 32
_MAX_EMBEDDED = 4096
_SIDES = {"owlvit": 768, "owlv2": 960}
_SIMILAR_IOU = 0.8
_ARTICLE = re.compile(r"^(?:an?|the) (?=.)")


@dataclass(frozen=True, eq=False)
class Patches:
    """The network's output for one image, before any query. P patches, D dimensions.

    Attributes:
        embeddings: float32 [P, D], to be compared by their direction.
        shift, scale: float32 [P], of the class head.
        boxes: float64 [P, 4], corners in pixels of the image.
        squares: float64 [P, 4], corners as shares of the network's input.
        objectness: float32 [P], or None.
    """

    embeddings: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    boxes: NDArray[np.float64]
    squares: NDArray[np.float64]
    objectness: NDArray[np.float32] | None

    def embedding(self, patch: int) -> NDArray[np.float32]:
        """The embedding of one patch, float32 [D]."""
        embedding: NDArray[np.float32] = self.embeddings[patch]
        return embedding

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare with queries float32 [Q, D] → float32 [P, Q], 0 to 1, as the original's class head and sigmoid."""
        similarity = _units(self.embeddings) @ _units(queries).T
        logits = (similarity + self.shift[:, None]) * self.scale[:, None]
        scores: NDArray[np.float32] = np.reciprocal(1 + np.exp(-logits, dtype=np.float32))
        return scores


class OwlVit:
    """See `anymask.detection.base.Detector`. Computes in f32 whatever the engine's precision.

    Args:
        files: an ONNX export for zero-shot object detection, and its `tokenizer.json`.
        key: identifies the files in caches.
        engine: runs the graphs.
        family: "owlvit" or "owlv2"; they prepare images differently.
        name: shown in results.
        templates: texts with {} for the phrase; the embeddings of several are averaged. ("{}",) takes phrases as
            they are.

    Raises:
        ModelError: files are missing, or not what is expected.
        EngineError: the tokenizers library is not installed.
        PromptError: a template without {}.
    """

    threshold = 0.1
    precision = "f32"

    def __init__(
        self,
        files: Mapping[str, Path],
        key: str,
        engine: Engine,
        family: str,
        name: str | None = None,
        templates: Sequence[str] = TEMPLATES,
    ) -> None:
        self.name = name or family
        self.engine = engine.name
        self.templates = _check_templates(templates)
        self._export = _file(files, ".onnx", self.name)
        self._tokenizer = _tokenizer(_file(files, "tokenizer.json", self.name))
        self._key = key
        self._runtime = engine
        self._family = family
        self._cuts: owlvit_graph.Cuts | None = None
        self._lock = threading.Lock()
        self._graphs: dict[str, CompiledGraph] = {}
        self._embedded: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def check(self, phrases: Sequence[str]) -> None:
        """Refuse phrases that are longer than the network can read.

        Raises:
            PromptError: with the phrase and its length.
        """
        for phrase in phrases:
            for text in self._texts(phrase):
                tokens = len(self._tokenizer.encode(text).ids)
                if tokens > MAX_TOKENS:
                    raise PromptError(
                        f"phrase {quote(phrase)} is too long for {self.name}: {text!r} makes {tokens} tokens and the "
                        f"network reads {MAX_TOKENS}; use fewer words"
                    )

    def detect(self, images: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float) -> list[Detections]:
        """Look for phrases; see `anymask.detection.base.Detector`.

        Every patch of an image gives at most one box, under the phrase that fits it best, as in the original.
        """
        queries = self.embed(phrases)
        return [self._best(self.encode(pixels), queries, phrases, threshold) for pixels in images]

    def find_similar(
        self,
        pixels: NDArray[np.uint8],
        query: NDArray[np.uint8],
        *,
        threshold: float = 0.6,
        nms_thresh: float = 0.3,
        label: str = "similar",
    ) -> Detections:
        """Find in an image what looks like the thing in another image, or in a crop of the same one.

        Args:
            pixels: uint8 [H, W, 3], RGB.
            query: uint8 [h, w, 3], filled by the thing to look for.
            threshold: least score; images resemble each other more than phrases resemble images, so it is higher.
            nms_thresh: boxes that overlap more than this IoU are one object.
            label: for the boxes.

        Returns:
            Boxes in pixels of the image, highest score first.
        """
        patches = self.encode(pixels)
        scores = patches.scores(self.embed_image(query)[None])[:, 0]
        keep = nms(patches.boxes, scores, nms_thresh)
        keep = keep[scores[keep] >= threshold]
        return Detections(patches.boxes[keep], scores[keep], (label,) * len(keep))

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases → float32 [Q, D]; each is embedded once and cached.

        Raises:
            PromptError: a phrase that is too long.
        """
        with self._lock:
            cached = {phrase: self._embedded[phrase] for phrase in phrases if phrase in self._embedded}
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in cached]
        self.check(new)
        per_run = max(1, _PHRASES_PER_RUN // len(self.templates))
        for start in range(0, len(new), per_run):
            chunk = new[start : start + per_run]
            cached.update(zip(chunk, self._embed(chunk), strict=True))
        with self._lock:
            self._embedded.update(cached)
            while len(self._embedded) > _MAX_EMBEDDED:
                self._embedded.popitem(last=False)
        return np.stack([cached[phrase] for phrase in phrases])

    def embed_image(self, query: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the thing that fills an image, uint8 [h, w, 3] → float32 [D], to be compared like a phrase.

        As the original: OWLv2 takes the patch that looks most like an object. OWL-ViT, and an export without
        objectness, takes among the patches whose boxes cover the image best the one least like all others.
        """
        patches = self.encode(query)
        if patches.objectness is not None:
            return patches.embedding(int(np.argmax(patches.objectness)))
        overlaps = box_iou(patches.squares, [0.0, 0.0, 1.0, 1.0])
        covering = np.flatnonzero(overlaps >= overlaps.max() * _SIMILAR_IOU)
        similarity = patches.embeddings[covering] @ patches.embeddings.mean(axis=0)
        return patches.embedding(int(covering[np.argmin(similarity)]))

    def encode(self, pixels: NDArray[np.uint8]) -> Patches:
        """Encode an image, uint8 [H, W, 3] RGB; any number of queries can be compared with the result."""
        cuts = self._find_cuts()
        side = cuts.side or _SIDES[self._family]
        prepare = pad_to_square if self._family == "owlv2" else resize_to_square
        graph = self._graph("image", lambda: owlvit_graph.image_graph(self._export, cuts, side))
        outputs = graph(**{owlvit_graph.PIXELS: prepare(pixels, side)})
        centre, half = np.split(outputs[owlvit_graph.BOXES][0].astype(np.float64) * [1, 1, 0.5, 0.5], 2, axis=1)
        squares = np.concatenate([centre - half, centre + half], axis=1)
        height, width = pixels.shape[:2]
        input_size = (max(height, width),) * 2 if self._family == "owlv2" else (width, height)
        objectness = None if cuts.objectness is None else outputs[cuts.objectness].reshape(-1).copy()
        return Patches(
            embeddings=_rows(outputs[cuts.patches][0], len(squares)),
            shift=outputs[cuts.shift].reshape(-1).copy(),
            scale=outputs[cuts.scale].reshape(-1).copy(),
            boxes=squares * np.tile(input_size, 2),
            squares=squares,
            objectness=objectness,
        )

    def _best(
        self, patches: Patches, queries: NDArray[np.float32], phrases: Sequence[str], threshold: float
    ) -> Detections:
        """Return at most one box per patch, under the phrase whose query, float32 [Q, D], fits it best."""
        scores = patches.scores(queries)
        best = scores.argmax(axis=1)
        scores = scores.max(axis=1)
        keep = np.flatnonzero(scores > threshold)
        return Detections(patches.boxes[keep], scores[keep], tuple(phrases[i] for i in best[keep]))

    def _embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases → float32 [Q, D], averaged over the templates."""
        encodings = [self._tokenizer.encode(text) for phrase in phrases for text in self._texts(phrase)]
        tokens = np.zeros((len(encodings), MAX_TOKENS), np.int64)
        mask = np.zeros_like(tokens)
        for row, encoding in enumerate(encodings):
            tokens[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        cuts = self._find_cuts()
        graph = self._graph("phrases", lambda: owlvit_graph.phrase_graph(self._export, cuts))
        inputs = {owlvit_graph.TOKENS: tokens, owlvit_graph.MASK: mask}
        outputs = graph(**{name: inputs[name] for name in cuts.phrase_inputs})[cuts.phrases]
        embedded = outputs.reshape(len(phrases), len(self.templates), -1)
        mean: NDArray[np.float32] = embedded.mean(axis=1)
        return mean

    def _texts(self, phrase: str) -> list[str]:
        return [template.replace("{}", _plain(phrase, template)) for template in self.templates]

    def _find_cuts(self) -> owlvit_graph.Cuts:
        with self._lock:
            if self._cuts is None:
                self._cuts = owlvit_graph.find_cuts(owlvit_graph.open_model_file(self._export), self._export)
            return self._cuts

    def _graph(self, name: str, build: Callable[[], Any]) -> CompiledGraph:
        with self._lock:
            if name not in self._graphs:
                # bf16 distinguishes shares of the image only by 1/512: up to 8 pixels of a 4,000-pixel image.
                self._graphs[name] = self._runtime.compile(f"{self._key}/{name}", build, exact=True)
            return self._graphs[name]


def _plain(phrase: str, template: str) -> str:
    """Return a phrase in lower case, without the article that a template already has."""
    lower = phrase.lower()
    return lower if template == "{}" else _ARTICLE.sub("", lower)


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows float32 [N, D] to unit length."""
    units: NDArray[np.float32] = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)
    return units


def _rows(embeddings: NDArray[np.float32], patches: int) -> NDArray[np.float32]:
    """Return float32 [P, D], copied; an exporter may have laid the patches out as columns."""
    return np.array(embeddings if len(embeddings) == patches else embeddings.T, np.float32)


def _check_templates(templates: Sequence[str]) -> tuple[str, ...]:
    if isinstance(templates, str) or not templates or not all("{}" in template for template in templates):
        raise PromptError(f"templates are {templates!r}: each takes {{}} where the phrase goes, as 'a photo of a {{}}'")
    return tuple(templates)


def _file(files: Mapping[str, Path], ending: str, name: str) -> Path:
    matches = [path for file, path in files.items() if file.endswith(ending)]
    if len(matches) != 1:
        raise ModelError(
            f"{name} needs one ONNX export and its tokenizer.json, and has {', '.join(files) or 'no files'}"
        )
    return matches[0]


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise EngineError("text prompts need the tokenizers library: pip install 'anymask[detect]'") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path} cannot be read as a tokenizer.json: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
