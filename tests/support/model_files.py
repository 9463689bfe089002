"""Where the weights of the default model lie on this machine."""

from __future__ import annotations

from pathlib import Path

from anymask.weights.download import ensure


def encoder_and_decoder() -> tuple[Path, Path]:
    """The two ONNX files of `mobile-sam`, fetched into the cache if they aren't there yet."""
    files = ensure("mobile-sam")
    return files["encoder.onnx"], files["sam.onnx"]
