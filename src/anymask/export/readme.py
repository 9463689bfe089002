"""The README.md beside exported networks: their tensors, and how to use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anymask._version import __version__
from anymask.export.check import MaskCheck
from anymask.export.options import ExportOptions
from anymask.weights import ModelEntry

_MEANINGS = {
    "input_image": "the image, RGB, 0 to 255, of any size; it is resized, normalised and padded inside",
    "pixel_values": "the image, resized, normalised and padded, as the processor of transformers.js makes it",
    "image_embeddings": "the embedding of the image",
    "high_res_feats_0": "finer features, output of the encoder and input of the decoder",
    "high_res_feats_1": "finer features, output of the encoder and input of the decoder",
    "high_quality_features": "finer features of HQ-SAM, output of the encoder and input of the decoder",
    "image_positional_embeddings": "positions of the image tokens",
    "point_coords": "points (x, y) in pixels of the 1,024 square",
    "point_labels": "1 include, 0 exclude, 2 and 3 the corners of a box (top left, bottom right), -1 padding",
    "mask_input": "low_res_masks of an earlier call, one of them; zeros without",
    "has_mask_input": "1 to use mask_input, else 0",
    "orig_im_size": "height and width of the image",
    "masks": "logits in the image's size; positive is inside",
    "iou_predictions": "predicted IoU of each mask",
    "low_res_masks": "logits of the square, for mask_input",
    "object_score_logits": "positive: there is an object",
    "input_points": "points (x, y) in pixels of the 1,024 square",
    "input_labels": "1 include, 0 exclude, -1 padding, -10 ignored",
    "input_boxes": "boxes (x0, y0, x1, y1) in pixels of the 1,024 square",
    "iou_scores": "predicted IoU of each mask",
    "pred_masks": "logits of the square; positive is inside",
    "images": "the image, RGB, 0 to 1, scaled to fit the frame and padded with grey (114 of 255)",
    "output0": "a column for each box: x and y of its centre, width, height, confidence, coefficients of its mask",
    "output1": "prototypes of masks; a cell is 4x4 pixels of the frame",
}

_MASKS = {
    "all": """\
The decoder gives four masks: the first is the single mask, for prompts that are clear (several points, a box); the
other three are for prompts that are not (one point): take the one of the highest predicted IoU.""",
    "single": """\
The decoder gives one mask. SAM: of one or two points (padding counts) the best of three, of more the single mask.""",
    "multi": """\
The decoder gives three masks, as `multimask_output=True` does: take the one of the highest predicted IoU.""",
}

_PADDED = """\
The image is scaled so that its longer side has 1,024 pixels, to whole pixels: of W×H pixels it has
`w = floor(W * 1024 / max(W, H) + 0.5)` and `h = floor(H * 1024 / max(W, H) + 0.5)`. A point (x, y) of the image is
(x · w / W, y · h / H) in the square. After points comes one padding point (0, 0) with label -1; a box, which is two
points with the labels 2 and 3, needs none: where there is a box, padding is ignored."""

_STRETCHED = """\
The image is stretched to 1,024 × 1,024: a point (x, y) of an image of W×H pixels is (x · 1024 / W, y · 1024 / H) in the
square. After points, and after a box too, which is two points with the labels 2 and 3, comes one padding point (0, 0)
with label -1."""

_ONCE = """\
The encoder runs once for an image, the decoder once for each prompt. It takes B prompts of N points at once, too."""

_X_ANYLABELING = """\
X-AnyLabeling (4.2) loads the two files as `encoder_model_path` and `decoder_model_path` of a model of type
`segment_anything`. Export with `--single-mask` for it, since it shows the first mask. Its masks are not exactly those
above (IoU 0.94 to 0.998 in our tests): it scales every image to fit 1024×684 pixels, without a filter against aliasing,
and enlarges masks from that size. It also adds a padding point after boxes, which these networks ignore; with
networks that do not, boxes fall to 0.71."""

_TRANSFORMERS_JS = """\
`{name}Model.from_pretrained(FOLDER, {{dtype: 'fp32'}})` and `AutoProcessor.from_pretrained(FOLDER)` of transformers.js
load this folder."""


_ULTRALYTICS = """\
## The segments

The network finds all segments of an image in one pass, and no prompt goes in. Scale the image to fit a frame whose
sides are multiples of 32 (`imgsz` in the metadata is the recommended longer side), and centre it. Keep the boxes of
sufficient confidence (0.4), and of two boxes with an IoU above 0.9 the one of higher confidence. The mask of a box is
positive where the sum of the prototypes, weighted by its coefficients, is above 0, cropped to the box. For a click
take the smallest mask that contains it.

Where the metadata says `'nms': True`, the network has removed overlapping boxes itself, and `output0` has a row for
each box: its corners, confidence, class and coefficients.

## ultralytics

`FastSAM("{path}")` of ultralytics loads {what}, and finds the metadata that it needs in {where}."""


def readme(entry: ModelEntry, stage: Path, names: Sequence[str], options: ExportOptions, agreement: MaskCheck) -> str:
    """The text of the README.md.

    Args:
        entry: the model.
        stage: the folder of the files.
        names: of the files.
        options: of the export.
        agreement: of the check.
    """
    stretched = entry.family == "sam2"
    parts = [
        f"# {Path(entry.name).name} for other programs",
        f"Written by anymask {__version__} (`anymask export`). {entry.description}".rstrip(),
        f"Licence of the weights: {entry.weights_licence}. {entry.homepage}".rstrip(),
        f"Check: {agreement.masks} masks of a known image against anymask's own in f32: mean IoU "
        f"{agreement.mean_iou:.4f}, least {agreement.least_iou:.4f}.",
        _runtime(names, options),
        *(_table(stage / name, name) for name in names if name.endswith((".onnx", ".xml"))),
    ]
    if options.layout == "ultralytics":
        parts.append(_ULTRALYTICS.format(**_ultralytics_words(options)))
    elif options.layout == "transformers-js":
        parts.append(_TRANSFORMERS_JS.format(name="Sam2" if stretched else "Sam"))
    else:
        parts += ["## The prompt", _STRETCHED if stretched else _PADDED, _MASKS[options.masks], _ONCE]
        table = " ".join(parts)
        if not stretched and options.format == "onnx" and "high_quality_features" not in table:
            parts += ["## X-AnyLabeling", _X_ANYLABELING]
    return "\n\n".join(parts) + "\n"


def _ultralytics_words(options: ExportOptions) -> dict[str, str]:
    if options.format == "openvino":
        folder = "fastsam_openvino_model"
        return {"path": folder, "what": "the folder, whose name must end so", "where": "`metadata.yaml`"}
    return {"path": "fastsam.onnx", "what": "the file", "where": "the file itself"}


def _runtime(names: Sequence[str], options: ExportOptions) -> str:
    if options.format == "openvino":
        exact = " Compile it with `INFERENCE_PRECISION_HINT` f32: bf16 moves boxes by up to 4 pixels of the frame."
        text = "OpenVINO 2024 or later; each `.xml` needs its `.bin` beside it."
        return text + exact * (options.layout == "ultralytics")
    data = [name for name in names if name.endswith("_data")]
    beside = f" {' and '.join(data)} must lie beside the network that it belongs to." if data else ""
    if options.layout == "ultralytics":
        return "ONNX, for every ONNX Runtime that runs the file of which it was made."
    return f"ONNX opset 20: ONNX Runtime 1.17 or later.{beside}"


def _table(path: Path, name: str) -> str:
    """The inputs and outputs of a network as a table in Markdown."""
    rows = [
        f"| {kind} | `{each}` | {shape} | {_MEANINGS.get(each, 'a map of features')} |"
        for kind, each, shape in _tensors(path)
    ]
    return "\n".join([f"## {name}", "", "| | name | type and shape | what it is |", "|---|---|---|---|", *rows])


def _tensors(path: Path) -> list[tuple[str, str, str]]:
    """("input" or "output", name, type and shape) of each tensor of a network."""
    return _tensors_of_ir(path) if path.suffix == ".xml" else _tensors_of_onnx(path)


def _tensors_of_onnx(path: Path) -> list[tuple[str, str, str]]:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    found = []
    for kind, values in (("input", graph.input), ("output", graph.output)):
        for each in values:
            tensor = each.type.tensor_type
            shape = ", ".join(str(size.dim_value or size.dim_param or "?") for size in tensor.shape.dim)
            found.append((kind, each.name, f"{onnx.TensorProto.DataType.Name(tensor.elem_type).lower()} [{shape}]"))
    return found


def _tensors_of_ir(path: Path) -> list[tuple[str, str, str]]:
    from anymask.engines.libraries import import_openvino

    model = import_openvino().Core().read_model(str(path))
    return [
        (kind, each.get_any_name(), f"{each.get_element_type().get_type_name()} {each.get_partial_shape()}")
        for kind, values in (("input", model.inputs), ("output", model.outputs))
        for each in values
    ]
