"""Stable Diffusion models through `diffusers` (extra `edit-diffusion`): holes filled as a prompt says."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.editing.inpaint_mask import Sizes
from anymask.errors import AnymaskError, EngineError, InputError

_GRID = 64
"""Latents are an eighth of the image, and the denoiser halves them three times."""


class DiffusionInpainter:
    """See `anymask.editing.inpainters.Inpainter`."""

    def __init__(
        self,
        model: str,
        prompt: str = "",
        negative_prompt: str = "",
        *,
        steps: int = 30,
        guidance: float = 7.5,
        strength: float = 1.0,
        seed: int | None = None,
        device: str = "auto",
        max_side: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Load a pipeline.

        Args:
            model: a folder that diffusers saved, a single .safetensors file, or a name on its hub (fetched by
                diffusers, under its own licence).
            prompt: what should be there.
            negative_prompt: what should not.
            steps: of denoising.
            guidance: how closely the prompt is followed.
            strength: 0 to 1, how much of what is in the hole may be given up.
            seed: makes the output repeatable; None lets it vary.
            device: "cpu", "cuda", or "auto": CUDA if PyTorch has it.
            max_side: longest side painted at native scale; None takes three times the model's own.
            threads: CPU threads; None leaves it to PyTorch.

        Raises:
            InputError: a model that cannot be loaded or does not inpaint, or a number out of its range.
            AnymaskError: diffusers is not installed.
            EngineError: the device cannot be used.
        """
        if steps < 1 or not 0 < strength <= 1:
            raise InputError(f"steps must be at least 1 and strength above 0 to 1, got {steps} and {strength}")
        self._torch, self._pipeline = _load(model, device)
        if threads:
            self._torch.set_num_threads(threads)
        self.name = f"diffusers {Path(model).name}"
        self._arguments = {"prompt": prompt, "negative_prompt": negative_prompt or None, "strength": strength}
        self._arguments |= {"num_inference_steps": steps, "guidance_scale": guidance}
        self._seed = seed
        side = _side(self._pipeline)
        grid = max(_GRID, int(getattr(self._pipeline, "vae_scale_factor", 8)))
        self.sizes = Sizes(grid=grid, min_side=side, max_side=max(grid, max_side or 3 * side))

    def __call__(self, pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Denoise the crop, uint8 [h, w, 3], where the hole, bool [h, w], is true.

        Raises:
            AnymaskError: the model's own safety checker withheld the image.
            EngineError: the pipeline failed.
        """
        import PIL.Image

        height, width = hole.shape
        generator = None if self._seed is None else self._torch.Generator("cpu").manual_seed(self._seed)
        try:
            output = self._pipeline(
                image=PIL.Image.fromarray(pixels),
                mask_image=PIL.Image.fromarray(hole.view(np.uint8) * np.uint8(255)),
                height=height,
                width=width,
                generator=generator,
                **self._arguments,
            )
        except Exception as error:  # PyTorch's memory errors, schedulers' value errors: nothing narrower holds them
            raise EngineError(f"{self.name} failed: {str(error).splitlines()[0] if str(error) else error!r}") from error
        if any(getattr(output, "nsfw_content_detected", None) or ()):
            raise AnymaskError(f"{self.name}: the model's own safety checker withheld its image; try another seed")
        return np.asarray(output.images[0].convert("RGB").resize((width, height)))


def _load(model: str, device: str) -> tuple[Any, Any]:
    """PyTorch, and the pipeline on its device."""
    try:
        import torch

        with _quiet():
            from diffusers import AutoPipelineForInpainting, StableDiffusionInpaintPipeline
    except ImportError as error:
        raise AnymaskError(
            f"inpainting by diffusion needs diffusers ({error.name or error} is missing); "
            "get it with: pip install 'anymask[edit-diffusion]'"
        ) from None
    if device not in ("auto", "cpu", "cuda"):
        raise EngineError(f"diffusers has no device {device!r} here: it can be cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda' cannot be used: this PyTorch finds no NVIDIA GPU")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    path = Path(model)
    options: dict[str, Any] = {"torch_dtype": torch.float16} if chosen == "cuda" else {}
    try:
        with _quiet():
            if path.is_file():
                pipeline = StableDiffusionInpaintPipeline.from_single_file(model, **options)
            else:
                pipeline = AutoPipelineForInpainting.from_pretrained(model, local_files_only=path.exists(), **options)
    except Exception as error:  # hubs, files and configurations fail in their own ways
        raise InputError(f"{model} cannot be loaded as an inpainting model: {str(error).splitlines()[0]}") from error
    pipeline.set_progress_bar_config(disable=True)
    return torch, pipeline.to(chosen)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep both libraries' remarks and bars off the terminal while they load; errors still come as exceptions."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging

    libraries: tuple[Any, ...] = (diffusers_logging, transformers_logging)
    before = [(each.get_verbosity(), each.is_progress_bar_enabled()) for each in libraries]
    for each in libraries:
        each.set_verbosity(logging.CRITICAL)  # even "accelerate is missing" is an error to them
        each.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, (verbosity, bars) in zip(libraries, before, strict=True):
            each.set_verbosity(verbosity)
            if bars:
                each.enable_progress_bar()


def _side(pipeline: Any) -> int:
    """The side of the images that the model was trained on, in pixels; 512 if it does not say."""
    denoiser = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    latent = getattr(getattr(denoiser, "config", None), "sample_size", None)
    factor = int(getattr(pipeline, "vae_scale_factor", 8))
    return int(latent) * factor if isinstance(latent, int) else 512
