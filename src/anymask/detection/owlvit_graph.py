"""Split an ONNX export of OWL-ViT or OWLv2, so that each part runs as seldom as it can.

The export takes an image and phrases together: `logits` and `pred_boxes` from `pixel_values`, `input_ids` and
`attention_mask`. Only its class head needs both. Cut in front of it, the phrases are embedded once for any number of
images, an image is encoded once for any number of phrases, and an image can be searched for like a phrase.

The class head (M. Minderer et al., "Simple Open-Vocabulary Object Detection with Vision Transformers", 2022) is
logits = (similarity + shift) · scale, with one shift and scale per patch of the image. The cuts are found by what
depends on what, since every exporter names its tensors differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.errors import ModelError
from anymask.weights import require_unchanged

if TYPE_CHECKING:
    import onnx

PIXELS, TOKENS, MASK = "pixel_values", "input_ids", "attention_mask"
TEXT, LOGITS, BOXES, OBJECTNESS = "text_embeds", "logits", "pred_boxes", "objectness_logits"

_CHANGES_SHAPE_ONLY = ("Reshape", "Identity", "Unsqueeze", "Squeeze", "Cast", "Transpose")


@dataclass(frozen=True)
class Cuts:
    """Names of the tensors at which an export is cut.

    Attributes:
        phrases: embedded phrases.
        phrase_inputs: inputs of the export that these are computed from.
        patches: the embedding of each patch, to be compared with embedded phrases once both have unit length.
        shift, scale: of the class head, per patch.
        objectness: how much each patch looks like an object at all; None where the export leaves it out.
        side: of the square image that the export takes, in pixels; 0 where it takes any.
    """

    phrases: str
    phrase_inputs: tuple[str, ...]
    patches: str
    shift: str
    scale: str
    objectness: str | None
    side: int


def open_model_file(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, with the weights that lie beside it.

    Raises:
        ModelError: it is none.
        WeightsError: it has changed since it was verified.
    """
    import onnx
    from google.protobuf.message import DecodeError

    require_unchanged(path)
    try:
        return onnx.load(str(path))
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX file: {error}") from error


def find_cuts(model: onnx.ModelProto, path: Path) -> Cuts:
    """Find where an export can be cut.

    Args:
        model: the whole export.
        path: for messages.

    Raises:
        ModelError: it is no export of OWL-ViT or OWLv2 with text embeddings among its outputs.
    """
    links = _Links(model)
    outputs = {value.name for value in model.graph.output}
    missing = [name for name in (PIXELS, TOKENS) if name not in links.inputs]
    missing += [name for name in (LOGITS, BOXES, TEXT) if name not in outputs]
    if missing:
        raise ModelError(
            f"{path} has no {' and no '.join(missing)}: an OWL-ViT or OWLv2 export for zero-shot object detection is "
            "expected, as Optimum makes it"
        )
    try:
        patches, shift, scale = _class_head(links)
        phrases = _embedded_phrases(links)
    except LookupError as error:
        raise ModelError(f"{path} is not an OWL-ViT or OWLv2 export that can be split: {error}") from error
    return Cuts(
        phrases=phrases,
        phrase_inputs=tuple(sorted(links.needs(phrases))),
        patches=patches,
        shift=shift,
        scale=scale,
        objectness=OBJECTNESS if OBJECTNESS in outputs else None,
        side=links.inputs[PIXELS][2],
    )


def phrase_graph(path: Path, cuts: Cuts) -> onnx.ModelProto:
    """Build the graph from token ids [Q, 16] (and their mask) to embedded phrases [Q, D] or [1, Q, D]."""
    return _part(open_model_file(path), {TOKENS: None, MASK: None}, [cuts.phrases])


def image_graph(path: Path, cuts: Cuts, side: int) -> onnx.ModelProto:
    """Build the graph from an image float32 [1, 3, side, side] to what `Cuts` and `BOXES` name."""
    outputs = [cuts.patches, cuts.shift, cuts.scale, BOXES]
    outputs += [cuts.objectness] if cuts.objectness else []
    return _part(open_model_file(path), {PIXELS: (1, 3, side, side)}, outputs)


class _Links:
    """What makes each tensor of a graph, and what each depends on."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.maker = {name: node for node in self.nodes for name in node.output}
        weights = {tensor.name for tensor in model.graph.initializer}
        self.inputs = {
            value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
            for value in model.graph.input
            if value.name not in weights
        }

    def needs(self, tensor: str) -> set[str]:
        """Return the graph's inputs that a tensor is computed from."""
        visited, pending = set(), [tensor]
        while pending:
            name = pending.pop()
            if name not in visited:
                visited.add(name)
                pending += self.maker[name].input if name in self.maker else []
        return visited & set(self.inputs)

    def reached_from(self, tensor: str) -> set[str]:
        """Return every tensor that depends on one."""
        reached = {tensor}
        for node in self.nodes:
            if reached & set(node.input):
                reached |= set(node.output)
        return reached


def _class_head(links: _Links) -> tuple[str, str, str]:
    """Return the tensors of patches, shift and scale.

    From the embedded phrases on, the first product with something of the image is the similarity; the first sum
    after it adds the shift, and the first product after that the scale.

    Raises:
        LookupError: one of these is not there.
    """
    phrases = TEXT
    while links.maker[phrases].op_type == "Identity":  # some exporters name an output by a node of its own
        phrases = links.maker[phrases].input[0]
    phrase_side = links.reached_from(phrases)
    tensors: list[str] = []
    expected = [("Einsum", "MatMul", "Gemm"), ("Add",), ("Mul",)]
    for node in links.nodes:
        sides = [name for name in node.input if name not in phrase_side]
        of_image = [name for name in sides if PIXELS in links.needs(name)]
        if len(of_image) == 1 and len(sides) < len(node.input) and node.op_type in expected[len(tensors)]:
            tensors.append(of_image[0])
            if len(tensors) == len(expected):
                return _before_division(links, tensors[0]), tensors[1], tensors[2]
    names = ("similarity", "shift", "scale")
    raise LookupError(f"no {names[len(tensors)]} of phrases and image follows {TEXT}")


def _before_division(links: _Links, tensor: str) -> str:
    """Return what was divided by its length to give a tensor, or the tensor itself where there is no division."""
    node = links.maker.get(tensor)
    return node.input[0] if node is not None and node.op_type == "Div" else tensor


def _embedded_phrases(links: _Links) -> str:
    """Return the embedded phrases from before they were arranged by image, which may take the image's shape.

    Raises:
        LookupError: they depend on the image.
    """
    name = TEXT
    while PIXELS in links.needs(name) and links.maker[name].op_type in _CHANGES_SHAPE_ONLY:
        name = links.maker[name].input[0]
    if PIXELS in links.needs(name):
        raise LookupError(f"{TEXT} cannot be computed without {PIXELS}")
    return name


def _part(
    model: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...] | None], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Leave of a model what computes some tensors, with the inputs that this takes.

    Args:
        model: changed in place, so that hundreds of megabytes of weights are not copied.
        inputs: allowed ones, each with its fixed shape where it has one.
        outputs: tensors of the graph.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    needed, pending = set(), list(outputs)
    while pending:
        name = pending.pop()
        if name not in needed:
            needed.add(name)
            pending += maker[name].input if name in maker else []
    _drop(graph.node, lambda node: not needed & set(node.output))
    _drop(graph.initializer, lambda tensor: tensor.name not in needed)
    _drop(graph.input, lambda value: value.name not in needed or value.name not in inputs)
    for value in graph.input:
        for dimension, size in zip(value.type.tensor_type.shape.dim, inputs[value.name] or (), strict=False):
            dimension.dim_value = size
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    return model


def _drop(items: Any, unwanted: Callable[[Any], bool]) -> None:
    """Delete from a list of a model, last first, so that the indices of the rest stay valid."""
    for index in reversed([index for index, item in enumerate(items) if unwanted(item)]):
        del items[index]
