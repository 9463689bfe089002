"""The few functions of torchvision and timm that the official code imports.

The official packages name torchvision and timm as dependencies, but use a resize, a non-maximum suppression
and some initialisers of theirs. Installing both for that costs gigabytes and ties the tests to one pair of
builds, so the modules below stand in, and only while the official code is being imported: afterwards
`import torchvision` means the real one again, or fails as before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from numpy.typing import NDArray
from PIL import Image


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize to `size` (height, width) as torchvision does for PIL images: bilinear, antialiased."""
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)


def to_pil_image(pixels: NDArray[Any]) -> Image.Image:
    """Turn uint8 [H, W, 3] pixels into an image."""
    return Image.fromarray(pixels)


def box_area(boxes: torch.Tensor) -> torch.Tensor:
    """Area of each box: float [N] for boxes [N, 4] as x_min, y_min, x_max, y_max."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression inside each group.

    Args:
        boxes: [N, 4] as x_min, y_min, x_max, y_max.
        scores: [N]; higher is kept first.
        idxs: [N]; boxes of different groups never suppress each other.
        iou_threshold: boxes of one group that overlap a kept box by more are dropped.

    Returns:
        int64 [M]: the kept boxes, best score first.
    """
    waiting = torch.argsort(scores, descending=True, stable=True)
    keep = []
    while waiting.numel():
        best, waiting = waiting[0], waiting[1:]
        keep.append(best)
        suppressed = (_iou(boxes[best], boxes[waiting]) > iou_threshold) & (idxs[waiting] == idxs[best])
        waiting = waiting[~suppressed]
    return torch.stack(keep) if keep else torch.empty(0, dtype=torch.int64)


def _iou(box: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    corner_low = torch.maximum(box[:2], boxes[:, :2])
    corner_high = torch.minimum(box[2:], boxes[:, 2:])
    shared = (corner_high - corner_low).clamp(min=0).prod(dim=1)
    return shared / (box_area(box[None]) + box_area(boxes) - shared)


class ToTensor:
    """uint8 [H, W, 3] pixels → float [3, H, W], 0 to 1."""

    def __call__(self, pixels: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float().div(255)


class Resize(torch.nn.Module):  # type: ignore[misc] # torch is Any where it isn't installed
    """Resize a tensor [C, H, W] to `size` (height, width) as torchvision does: bilinear, antialiased."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.height, self.width = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = [self.height, self.width]
        return torch.nn.functional.interpolate(
            x.unsqueeze(0), size, mode="bilinear", align_corners=False, antialias=True
        ).squeeze(0)


class Normalize(torch.nn.Module):  # type: ignore[misc] # torch is Any where it isn't installed
    """Subtract a mean per channel, then divide by a deviation: [C, H, W]."""

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std


class DropPath(torch.nn.Module):  # type: ignore[misc] # torch is Any where it isn't installed
    """Stochastic depth at inference time: the identity. MobileSAM is built with a drop rate of zero."""

    def __init__(self, drop_prob: float | None = None) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and self.drop_prob:
            raise NotImplementedError("the stand-in for timm's DropPath is for inference only")
        return x


class SqueezeExcite(torch.nn.Module):  # type: ignore[misc] # torch is Any where it isn't installed
    """Scale each channel of [B, C, H, W] by what the means of all channels say; the hidden width is a multiple of 8."""

    def __init__(self, channels: int, rd_ratio: float) -> None:
        super().__init__()
        hidden = max(8, int(channels * rd_ratio + 4) // 8 * 8)
        self.fc1 = torch.nn.Conv2d(channels, hidden, 1)
        self.fc2 = torch.nn.Conv2d(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(hidden))


class Compose:
    """Apply several transforms in order."""

    def __init__(self, transforms: list[Callable[..., Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x


def to_2tuple(value: Any) -> tuple[Any, Any]:
    """Repeat a number twice; leave a pair as it is."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def register_model(build: Callable[..., Any]) -> Callable[..., Any]:
    """Leave the builder unregistered: nothing here asks a registry for it."""
    return build


MODULES: dict[str, dict[str, Any]] = {
    "torchvision": {},
    "torchvision.ops": {},
    "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
    "torchvision.transforms": {"Compose": Compose, "Normalize": Normalize, "Resize": Resize, "ToTensor": ToTensor},
    "torchvision.transforms.functional": {
        "InterpolationMode": Image.Resampling,
        "resize": resize,
        "to_pil_image": to_pil_image,
    },
    "timm": {},
    "timm.models": {},
    "timm.models.layers": {
        "DropPath": DropPath,
        "SqueezeExcite": SqueezeExcite,
        "to_2tuple": to_2tuple,
        "trunc_normal_": torch.nn.init.trunc_normal_,
    },
    "timm.models.vision_transformer": {"trunc_normal_": torch.nn.init.trunc_normal_},
    "timm.models.registry": {"register_model": register_model},
}


@contextmanager
def torchvision_and_timm() -> Iterator[None]:
    """Let `import torchvision` and `import timm` find the stand-ins inside the block, and only there."""
    before = {name: sys.modules.get(name) for name in MODULES}
    for name, contents in MODULES.items():
        module = ModuleType(name)
        module.__dict__.update(contents)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name, module_before in before.items():
            if module_before is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module_before
