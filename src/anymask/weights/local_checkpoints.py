"""A checkpoint that is named by its path: an entry made on the spot, as if it had been added to a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from anymask.errors import ModelError, WeightsError
from anymask.weights.model_entry import UNKNOWN_LICENCE, ModelEntry, Source, WeightFile
from anymask.weights.verification import sha256_of

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".onnx")
"""Endings of files that models come in."""

_HIERA = "image_encoder.trunk."
_YOLO_METADATA = {"stride", "task", "names"}
"""Metadata that YOLO's exporter writes into an ONNX file, and segment-anything's does not."""


def names_a_checkpoint(name: str) -> bool:
    """Whether a model is named by the path of a file that is there."""
    return name.lower().endswith(SUFFIXES) and Path(name).expanduser().is_file()


def entry_of_checkpoint(name: str, built_in: Mapping[str, ModelEntry]) -> ModelEntry:
    """The entry of a checkpoint: the catalogue's own where its sha256 is known there, else one called by its path.

    Args:
        name: its path.
        built_in: the models of the built-in catalogue.

    Raises:
        ModelError: the file cannot be read, is damaged, wants code to be run, or is no model that anymask runs.
    """
    path = Path(name).expanduser().resolve()
    try:
        file = WeightFile(path.name, sha256_of(path), path.stat().st_size)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})") from error
    for entry in built_in.values():
        if [(each.sha256, each.size) for each in entry.files] == [(file.sha256, file.size)]:
            return replace(entry, sources=(Source("file", {entry.files[0].name: str(path)}),))
    return ModelEntry(
        name=str(path),
        family=_family_of(path),
        files=(file,),
        sources=(Source("file", {file.name: str(path)}),),
        description=f"{path.name}, a checkpoint of your own",
        weights_licence=UNKNOWN_LICENCE,
        code_licence=UNKNOWN_LICENCE,
    )


def _family_of(path: Path) -> str:
    """The family of a checkpoint, by its content; whether it is whole is found out when it is loaded."""
    from anymask.weights.checkpoints.state_dict import read_state_dict

    if path.suffix.lower() == ".onnx" and _is_yolo_export(path):
        return "fastsam"
    try:
        parameters = read_state_dict([path])
    except WeightsError as error:
        if "fastsam" in path.name.lower() or "ultralytics." in str(error):
            raise ModelError(
                f"{path} is a checkpoint of ultralytics: if it is a FastSAM, run 'yolo export model={path.name} "
                f"format=onnx dynamic=True imgsz=1024' and load {path.stem}.onnx; its other networks take no prompts"
            ) from error
        raise ModelError(str(error)) from error
    return "sam2" if any(each.startswith(_HIERA) for each in parameters) else "sam"


def _is_yolo_export(path: Path) -> bool:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"{path} cannot be read as an ONNX file: {error}") from error
    return {each.key for each in model.metadata_props} >= _YOLO_METADATA
