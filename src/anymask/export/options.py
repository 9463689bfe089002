"""What an export can be. The command line reads this module for its help, so it imports no network."""

from __future__ import annotations

from dataclasses import dataclass

from anymask.errors import InputError

FILE_FORMATS = ("onnx", "openvino")
LAYOUTS = ("segment-anything", "transformers-js", "ultralytics")
MASK_CHOICES = ("all", "single", "multi")


@dataclass(frozen=True)
class ExportOptions:
    """How a model is exported.

    Attributes:
        format: "onnx", or "openvino" for OpenVINO's IR.
        layout: names and shapes of the tensors: those of segment-anything's ONNX export, of transformers.js, or of
            ultralytics' export of a segmentation network. None: the last of FastSAM, the first of all others.
        masks: of the decoder in the layout of segment-anything: "all" four, the "single" one, or the "multi" ones,
            three. transformers.js takes three.

    Raises:
        InputError: a value that there is not, or values that exclude each other.
    """

    format: str = "onnx"
    layout: str | None = None
    masks: str = "all"

    def __post_init__(self) -> None:
        for name, choices in {"format": FILE_FORMATS, "layout": LAYOUTS, "masks": MASK_CHOICES}.items():
            if getattr(self, name) not in (*choices, *((None,) if name == "layout" else ())):
                raise InputError(f"{name} must be {' or '.join(map(repr, choices))}, not {getattr(self, name)!r}")
        if self.layout == "transformers-js" and self.format != "onnx":
            raise InputError("transformers.js reads ONNX: with layout 'transformers-js' the format is 'onnx'")
        if self.layout == "transformers-js" and self.masks != "all":
            raise InputError("transformers.js always takes three masks: leave out the choice of masks")
