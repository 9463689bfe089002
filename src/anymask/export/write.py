"""`export_model`: networks are written into a temporary folder, checked there, and appear together or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from anymask._version import __version__
from anymask.export.check import MaskCheck, compare
from anymask.export.networks import Network, configuration_of, default_layout, networks_of
from anymask.export.onnx_files import DATA_SUFFIX, write_metadata, write_network
from anymask.export.openvino_files import write_ir, write_runtime_information
from anymask.export.options import ExportOptions
from anymask.export.readme import readme
from anymask.io.results_folder import check_owner, publish_results, staged_results
from anymask.models.sam2.model import Sam2
from anymask.prediction.segmenter import load
from anymask.weights import ModelEntry, Progress, find_model

README, INDEX = "README.md", "export.json"


@dataclass(frozen=True)
class ExportedModel:
    """What an export wrote.

    Attributes:
        model: its name.
        files: their paths, the networks first.
        least_iou, mean_iou: of the files' masks with anymask's own in f32.
        masks: number of masks that were compared.
    """

    model: str
    files: tuple[Path, ...]
    least_iou: float
    mean_iou: float
    masks: int


def export_model(
    model: str,
    folder: Path | str,
    options: ExportOptions | None = None,
    *,
    overwrite: bool = False,
    allow: str | Sequence[str] | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> ExportedModel:
    """Write a model as networks that other programs run, check them, and describe them in a README.md.

    Args:
        model: as of `anymask.load`.
        folder: where the files go; made if absent.
        options: format, layout and masks.
        overwrite: also replace files of another model, and files that anymask did not write.
        allow: licences of weights that may be used, as of `anymask.load`.
        progress: called with the progress of downloads.
        say: called with each step.

    Raises:
        ModelError: unknown model, or one that cannot be exported in this layout.
        InputError: the folder has files of another model, or files that anymask did not write.
        EngineError: the files do not run, or give other masks.
        WeightsError: the weights cannot be fetched or their licence is not allowed.
    """
    options, folder = options or ExportOptions(), Path(folder)
    entry = find_model(model)
    segmenter = load(model, precision="f32", device="cpu", store=False, allow=allow, progress=progress)
    options = replace(options, layout=options.layout or default_layout(segmenter.network))
    networks = networks_of(segmenter.network, options)
    extra = configuration_of(segmenter.network, options)
    if not overwrite:
        possible = [name for network in networks for name in _names(network, options)]
        check_owner(folder, segmenter.weights, [*possible, *extra, README, INDEX])
    with staged_results(folder) as stage:
        say("writing the networks")
        stretched = isinstance(segmenter.network, Sam2)
        names = [name for network in networks for name in _write_network(network, stage, options, stretched)]
        mains = [stage / name for name in names if name.endswith((".onnx", ".xml"))]
        say("comparing masks")
        agreement = compare(segmenter, mains, options)
        facts = _facts(entry, segmenter.weights, options, agreement)
        for path in mains:
            if options.format == "openvino":
                write_runtime_information(path, facts)
            else:  # ultralytics makes every name of the metadata an attribute of its loader
                prefix = "anymask_" if options.layout == "ultralytics" else ""
                write_metadata(path, {prefix + name: value for name, value in facts.items()})
        index = {**facts, "weights": {"sha256": segmenter.weights}, **asdict(agreement)}
        extra |= {README: readme(entry, stage, names, options, agreement), INDEX: json.dumps(index, indent=1)}
        for name, text in extra.items():
            (stage / name).write_text(text.rstrip() + "\n", encoding="utf-8")
        names += extra
        files = publish_results(stage, folder, names, INDEX, segmenter.weights, "export", overwrite=overwrite)
    return ExportedModel(entry.name, tuple(files), agreement.least_iou, agreement.mean_iou, agreement.masks)


def _names(network: Network, options: ExportOptions) -> list[str]:
    """Names that the files of a network may have."""
    if options.format == "openvino":
        return [f"{network.name}.xml", f"{network.name}.bin"]
    return [f"{network.name}.onnx", f"{network.name}.onnx{DATA_SUFFIX}"]


def _write_network(network: Network, stage: Path, options: ExportOptions, stretched: bool) -> list[str]:
    """Write one network into the temporary folder; returns the names of its files, the network first."""
    if options.format == "onnx":
        return write_network(network, stage)
    (stage / network.name).parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=stage) as scratch:
        write_network(network, Path(scratch))
        image = "image" if network.name == "encoder" else ""
        source = Path(scratch) / f"{network.name}.onnx"
        write_ir(source, stage / f"{network.name}.xml", image=image, padded=not stretched)
    return _names(network, options)


def _facts(entry: ModelEntry, key: str, options: ExportOptions, agreement: MaskCheck) -> dict[str, str]:
    """What the metadata of each network states, by name."""
    return {
        "producer": f"anymask {__version__}",
        "model": Path(entry.name).name,
        "weights_sha256": key,
        "weights_licence": entry.weights_licence,
        "layout": str(options.layout),
        "least_iou": f"{agreement.least_iou:.4f}",
        "mean_iou": f"{agreement.mean_iou:.4f}",
    }
