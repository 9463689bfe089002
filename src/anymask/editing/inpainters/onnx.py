"""Inpainters in an ONNX file: LaMa, MI-GAN and others that take an image and a mask and return an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.editing.inpaint_mask import Sizes
from anymask.errors import EngineError, InputError

_GRID = 8
"""Networks that take any size halve it three times, as LaMa does."""


class OnnxInpainter:
    """See `anymask.editing.inpainters.Inpainter`.

    Reads from the file what it takes: which input is the mask (one channel, or a name with "mask"), channels first or
    last, floats 0 to 1 or bytes 0 to 255, one size or any. Whether the output goes from 0 to 1 or to 255 is found by
    comparing it with the image outside the hole.
    """

    def __init__(
        self, model: str | Path, white: str = "repaint", device: str = "cpu", threads: int | None = None
    ) -> None:
        """Open a file.

        Args:
            model: the file.
            white: what the mask's ones mean to this network: "repaint" (LaMa) or "keep" (MI-GAN).
            device: "cpu", "cuda" or "coreml"; "auto" is the CPU.
            threads: CPU threads; None leaves it to ONNX Runtime.

        Raises:
            InputError: no such file, not an ONNX network, or one with other inputs than an image and a mask.
            EngineError: the device cannot be used.
        """
        if white not in ("repaint", "keep"):
            raise InputError(f"white is {white!r}: it can be 'repaint' or 'keep'")
        path = Path(model)
        if not path.is_file():
            raise InputError(f"there is no file {path}")
        self.name = f"onnx {path.name}"
        self._session = _session(path, device, threads)
        self._white_keeps = white == "keep"
        inputs = self._session.get_inputs()
        if len(inputs) != 2:
            names = ", ".join(each.name for each in inputs)
            raise InputError(
                f"{path.name} takes {len(inputs)} inputs ({names}): an inpainter takes an image and a mask"
            )
        masks = [each for each in inputs if "mask" in each.name.lower()] or [
            each for each in inputs if _channels(each) == 1
        ]
        if len(masks) != 1:
            raise InputError(f"{path.name}: cannot tell the mask among {', '.join(each.name for each in inputs)}")
        self._mask = masks[0]
        self._image = next(each for each in inputs if each is not self._mask)
        if _channels(self._image) not in (3, None):
            raise InputError(f"{path.name}: {self._image.name} has the shape {self._image.shape}: it needs 3 channels")
        self.sizes = _sizes(self._image)

    def __call__(self, pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Run the network once on uint8 [h, w, 3] and the hole, bool [h, w]."""
        mask = (~hole if self._white_keeps else hole)[..., None].view(np.uint8)
        inputs = {
            self._image.name: _to_input(self._image, pixels, 255),
            self._mask.name: _to_input(self._mask, mask, 1),
        }
        try:
            output = self._session.run(None, inputs)[0]
        except Exception as error:  # ONNX Runtime's exceptions have no narrower base class
            raise EngineError(f"{self.name} failed: {str(error).splitlines()[0]}") from error
        return _to_uint8(_channels_last(np.asarray(output), pixels.shape), pixels, hole)


def _session(path: Path, device: str, threads: int | None) -> Any:
    from anymask.engines.libraries import import_onnxruntime
    from anymask.engines.providers import choose_provider, require_device

    onnxruntime = import_onnxruntime()
    name = "cpu" if device == "auto" else device
    provider = choose_provider(name, onnxruntime.get_available_providers())
    if name != "cpu":
        require_device(name, provider)
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # as above
        raise InputError(f"{path.name} is not an ONNX network that can be run: {str(error).splitlines()[0]}") from None


def _channels_first(tensor: Any) -> bool:
    """Whether channels come before rows and columns."""
    shape = tensor.shape
    return not (len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3))


def _channels(tensor: Any) -> int | None:
    if len(tensor.shape) != 4:
        return None
    count = tensor.shape[1 if _channels_first(tensor) else 3]
    return count if isinstance(count, int) else None


def _sizes(image: Any) -> Sizes:
    rows, columns = image.shape[2:4] if _channels_first(image) else image.shape[1:3]
    if isinstance(rows, int) and isinstance(columns, int):
        return Sizes(fixed=(columns, rows))
    return Sizes(grid=_GRID, max_side=2048)


def _to_input(tensor: Any, values: NDArray[np.uint8], highest: int) -> NDArray[Any]:
    """Values uint8 [h, w, c] of 0 to ``highest`` as the input takes them, [1, c, h, w] or [1, h, w, c]."""
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    if tensor.type in kinds:
        prepared = (values / highest).astype(kinds[tensor.type])
    elif tensor.type == "tensor(bool)":
        prepared = values > 0
    else:
        prepared = (values * (255 // highest)).astype(np.uint8 if tensor.type == "tensor(uint8)" else np.int64)
    ordered = prepared.transpose(2, 0, 1) if _channels_first(tensor) else prepared
    return np.ascontiguousarray(ordered[None] if len(tensor.shape) == 4 else ordered)


def _channels_last(output: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The output as [h, w, 3], of its own dtype.

    Args:
        output: [1, 3, h, w], [1, h, w, 3] or one of these without the batch.
        shape: (h, w, 3), that of the image.

    Raises:
        InputError: it is of another size.
    """
    squeezed: NDArray[Any] = output[0] if output.ndim == 4 else output
    if squeezed.shape == (3, *shape[:2]):
        squeezed = squeezed.transpose(1, 2, 0)
    if squeezed.shape == shape:
        return squeezed
    raise InputError(f"the network returns the shape {list(output.shape)} for an image {list(shape)}")


def _to_uint8(output: NDArray[Any], pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The output as uint8 [h, w, 3], whether it goes from 0 to 1 or to 255.

    Args:
        output: [h, w, 3], floats or integers.
        pixels: uint8 [h, w, 3], the image.
        hole: bool [h, w]; outside it the output resembles the image.
    """
    if output.dtype == np.uint8:
        return output
    values = np.nan_to_num(output.astype(np.float32))
    if hole.all():
        scale = 255.0 if float(np.abs(values).max()) <= 2 else 1.0
    else:
        known = pixels[~hole].astype(np.float32)
        outside = values[~hole]
        scale = 255.0 if np.abs(outside * 255 - known).mean() < np.abs(outside - known).mean() else 1.0
    levels: NDArray[np.uint8] = np.clip(np.round(values * scale), 0, 255).astype(np.uint8)
    return levels
