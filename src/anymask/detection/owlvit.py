"""OWL-ViT and OWLv2: zero-shot detectors that take any words, or a picture of the thing to look for.

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

from anymask.detection import owlvit_graph as owl_export
from anymask.detection.detections import Detections
from anymask.detection.owlvit_preprocessing import padded, squashed
from anymask.detection.phrases import quoted
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
"""The seven that the authors average over; seven times the work per phrase, none per picture."""

MAX_TOKENS = 16
_PHRASES_PER_RUN = 32
_REMEMBERED = 4096
_SIDES = {"owlvit": 768, "owlv2": 960}
_SIMILAR_IOU = 0.8
_ARTICLE = re.compile(r"^(?:an?|the) (?=.)")


@dataclass(frozen=True, eq=False)
class Patches:
    """What the network saw in one picture, before anybody asked anything. P patches, D dimensions.

    Attributes:
        looks: float32 [P, D], to be compared by their direction.
        shift, scale: float32 [P], of the class head.
        boxes: float64 [P, 4], corners in pixels of the picture.
        squares: float64 [P, 4], corners in shares of what the network was shown.
        objectness: float32 [P], or None.
    """

    looks: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    boxes: NDArray[np.float64]
    squares: NDArray[np.float64]
    objectness: NDArray[np.float32] | None

    def look(self, patch: int) -> NDArray[np.float32]:
        """What one patch looks like, float32 [D]."""
        look: NDArray[np.float32] = self.looks[patch]
        return look

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare with queries [Q, D] → probabilities float32 [P, Q], as the original's class head and sigmoid."""
        similarity = _units(self.looks) @ _units(queries).T
        logits = (similarity + self.shift[:, None]) * self.scale[:, None]
        scores: NDArray[np.float32] = np.reciprocal(1 + np.exp(-logits, dtype=np.float32))
        return scores


class OwlVit:
    """See `anymask.detection.base.Detector`. Computes in f32 whatever the engine's precision.

    Args:
        files: an ONNX export for zero-shot object detection, and its `tokenizer.json`.
        key: identifies the files in caches.
        engine: runs the graphs.
        family: "owlvit" or "owlv2"; they prepare pictures differently.
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
        self.templates = _checked_templates(templates)
        self._export = _file(files, ".onnx", self.name)
        self._tokenizer = _tokenizer(_file(files, "tokenizer.json", self.name))
        self._key = key
        self._runtime = engine
        self._family = family
        self._cuts: owl_export.Cuts | None = None
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
                        f"phrase {quoted(phrase)} is too long for {self.name}: {text!r} makes {tokens} tokens and the "
                        f"network reads {MAX_TOKENS}; take fewer words"
                    )

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[str], threshold: float
    ) -> list[Detections]:
        """Look for phrases; see `anymask.detection.base.Detector`.

        Every patch of a picture gives at most one box, under the phrase that fits it best, as in the original.
        """
        queries = self.embed(phrases)
        return [self._best(self.look(pixels), queries, phrases, threshold) for pixels in pictures]

    def find_similar(
        self,
        pixels: NDArray[np.uint8],
        query: NDArray[np.uint8],
        *,
        threshold: float = 0.6,
        nms_thresh: float = 0.3,
        label: str = "similar",
    ) -> Detections:
        """Find in a picture what looks like the thing in another picture, or in a crop of the same one.

        Args:
            pixels: uint8 [H, W, 3], RGB.
            query: uint8 [h, w, 3], filled by the thing to look for.
            threshold: least score; pictures resemble each other more than words resemble pictures, so it is higher.
            nms_thresh: boxes that overlap more than this IoU are one object.
            label: for the boxes.

        Returns:
            Boxes in pixels of the picture, best first.
        """
        patches = self.look(pixels)
        scores = patches.scores(self.embed_picture(query)[None])[:, 0]
        kept = nms(patches.boxes, scores, nms_thresh)
        kept = kept[scores[kept] >= threshold]
        return Detections(patches.boxes[kept], scores[kept], (label,) * len(kept))

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases → float32 [Q, D]; each is embedded once and remembered.

        Raises:
            PromptError: a phrase that is too long.
        """
        with self._lock:
            known = {phrase: self._embedded[phrase] for phrase in phrases if phrase in self._embedded}
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in known]
        self.check(new)
        per_run = max(1, _PHRASES_PER_RUN // len(self.templates))
        for start in range(0, len(new), per_run):
            chunk = new[start : start + per_run]
            known.update(zip(chunk, self._embed(chunk), strict=True))
        with self._lock:
            self._embedded.update(known)
            while len(self._embedded) > _REMEMBERED:
                self._embedded.popitem(last=False)
        return np.stack([known[phrase] for phrase in phrases])

    def embed_picture(self, query: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the thing that fills a picture → float32 [D], to be compared like a phrase.

        As the original: OWLv2 takes the patch that looks most like an object. OWL-ViT, and an export without
        objectness, takes among the patches whose boxes cover the picture best the one least like all others.
        """
        patches = self.look(query)
        if patches.objectness is not None:
            return patches.look(int(np.argmax(patches.objectness)))
        overlaps = box_iou(patches.squares, [0.0, 0.0, 1.0, 1.0])
        covering = np.flatnonzero(overlaps >= overlaps.max() * _SIMILAR_IOU)
        alike = patches.looks[covering] @ patches.looks.mean(axis=0)
        return patches.look(int(covering[np.argmin(alike)]))

    def look(self, pixels: NDArray[np.uint8]) -> Patches:
        """Run the picture's part of the network; any number of queries can be compared with the result."""
        cuts = self._known_cuts()
        side = cuts.side or _SIDES[self._family]
        prepare = padded if self._family == "owlv2" else squashed
        graph = self._graph("picture", lambda: owl_export.picture_graph(self._export, cuts, side))
        answer = graph(**{owl_export.PIXELS: prepare(pixels, side)})
        centre, half = np.split(answer[owl_export.BOXES][0].astype(np.float64) * [1, 1, 0.5, 0.5], 2, axis=1)
        squares = np.concatenate([centre - half, centre + half], axis=1)
        height, width = pixels.shape[:2]
        shown_size = (max(height, width),) * 2 if self._family == "owlv2" else (width, height)
        objectness = None if cuts.objectness is None else answer[cuts.objectness].reshape(-1).copy()
        return Patches(
            looks=_rows(answer[cuts.patches][0], len(squares)),
            shift=answer[cuts.shift].reshape(-1).copy(),
            scale=answer[cuts.scale].reshape(-1).copy(),
            boxes=squares * np.tile(shown_size, 2),
            squares=squares,
            objectness=objectness,
        )

    def _best(
        self, patches: Patches, queries: NDArray[np.float32], phrases: Sequence[str], threshold: float
    ) -> Detections:
        scores = patches.scores(queries)
        best = scores.argmax(axis=1)
        scores = scores.max(axis=1)
        kept = np.flatnonzero(scores > threshold)
        return Detections(patches.boxes[kept], scores[kept], tuple(phrases[i] for i in best[kept]))

    def _embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Embed phrases → [Q, D], averaged over the templates."""
        encodings = [self._tokenizer.encode(text) for phrase in phrases for text in self._texts(phrase)]
        tokens = np.zeros((len(encodings), MAX_TOKENS), np.int64)
        mask = np.zeros_like(tokens)
        for row, encoding in enumerate(encodings):
            tokens[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        cuts = self._known_cuts()
        graph = self._graph("phrases", lambda: owl_export.phrase_graph(self._export, cuts))
        inputs = {owl_export.TOKENS: tokens, owl_export.MASK: mask}
        answer = graph(**{name: inputs[name] for name in cuts.phrase_inputs})[cuts.phrases]
        embedded = answer.reshape(len(phrases), len(self.templates), -1)
        mean: NDArray[np.float32] = embedded.mean(axis=1)
        return mean

    def _texts(self, phrase: str) -> list[str]:
        return [template.replace("{}", _plain(phrase, template)) for template in self.templates]

    def _known_cuts(self) -> owl_export.Cuts:
        with self._lock:
            if self._cuts is None:
                self._cuts = owl_export.find_cuts(owl_export.open_model_file(self._export), self._export)
            return self._cuts

    def _graph(self, name: str, build: Callable[[], Any]) -> CompiledGraph:
        with self._lock:
            if name not in self._graphs:
                # bf16 tells shares of the picture apart only by 1/512: up to 8 pixels of a 4,000-pixel photo.
                self._graphs[name] = self._runtime.compile(f"{self._key}/{name}", build, exact=True)
            return self._graphs[name]


def _plain(phrase: str, template: str) -> str:
    """Return a phrase in lower case, without the article that a template gives it anyway."""
    lower = phrase.lower()
    return lower if template == "{}" else _ARTICLE.sub("", lower)


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)
    return units


def _rows(looks: NDArray[np.float32], patches: int) -> NDArray[np.float32]:
    """Return [P, D] in memory of its own; an exporter may have laid the patches out as columns."""
    return np.array(looks if len(looks) == patches else looks.T, np.float32)


def _checked_templates(templates: Sequence[str]) -> tuple[str, ...]:
    if isinstance(templates, str) or not templates or not all("{}" in template for template in templates):
        raise PromptError(f"templates are {templates!r}: each takes {{}} where the phrase goes, as 'a photo of a {{}}'")
    return tuple(templates)


def _file(files: Mapping[str, Path], ending: str, name: str) -> Path:
    found = [path for file, path in files.items() if file.endswith(ending)]
    if len(found) != 1:
        raise ModelError(
            f"{name} needs one ONNX export and its tokenizer.json, and has {', '.join(files) or 'no files'}"
        )
    return found[0]


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise EngineError("words need the tokenizers library: pip install 'anymask[detect]'") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path} cannot be read as a tokenizer.json: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
