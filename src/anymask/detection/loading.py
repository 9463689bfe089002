"""From a detector's name, file or function to a detector that is ready."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.detection.base import Detector
from anymask.errors import ModelError
from anymask.weights import ModelEntry, Progress, all_models, cache_root, ensure, find_model, is_here, unpinned_models

if TYPE_CHECKING:
    from anymask.detection.base import Detector
    from anymask.engines.base import Engine

OFFLINE = "coco-ssd"
ZERO_SHOT_FAMILIES = ("owlv2", "owlvit")
"""Families that take any text, the better one first."""

FAMILIES = (*ZERO_SHOT_FAMILIES, "coco-ssd", "yolo")


def load_detector(
    detector: Any = "auto",
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    device: str = "auto",
    allow: str | Sequence[str] | None = None,
    progress: Progress | None = None,
    classes: str | Path | Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
) -> Detector:
    """Get a detector ready: fetch and verify its weights if needed.

    ```python
    load_detector()                                        # zero-shot if one is here, else coco-ssd
    load_detector("owlv2-base")
    load_detector("best.onnx", classes="classes.txt")      # a YOLO export of your own
    load_detector(my_function)                             # see anymask.detection.custom
    ```

    Args:
        detector: a name of the catalogue; "auto"; the path of a YOLO export (.onnx); a function; or a detector, which
            is returned as it is.
        engine: "openvino", "onnxruntime" or "auto"; coco-ssd always runs on OpenCV.
        precision: of the engine, "f32", "bf16" or "auto"; networks that give boxes compute in f32 in any case.
        threads: CPU threads for one call; None leaves it to the engine.
        device: "cpu", "cuda", "coreml" or "auto", as for `anymask.load`.
        allow: licences of weights that may be used; None allows all.
        progress: receives downloads, and which detector "auto" took.
        classes: of a YOLO export: names in order, or a file of them; None reads them from the export.
        templates: of zero-shot detectors, see `anymask.detection.owlvit.TEMPLATES`.

    Raises:
        ModelError: an unknown name, a model that is no detector, or a file that cannot be used.
        WeightsError: the weights cannot be fetched, are damaged, or their licence is not allowed.
        EngineError: the engine or the tokenizer library is missing.
    """
    from anymask.detection.base import Detector
    from anymask.engines.loading import load_engine

    if isinstance(detector, Detector):
        return detector
    if callable(detector):
        from anymask.detection.custom import CustomDetector

        return CustomDetector(detector)
    graphs = cache_root() / "graphs"
    runtime = partial(load_engine, engine, precision=precision, threads=threads, cache=graphs, device=device)
    path = _file_of(detector)
    if path is not None:
        return _yolo([path], path.stem, runtime(), classes)
    entry = _entry(detector, progress or Progress())
    files = ensure(entry, allow=allow, progress=progress)
    if entry.family == "coco-ssd":
        from anymask.detection.coco_ssd import CocoSsd

        return CocoSsd(files, entry.name)
    if entry.family == "yolo":
        return _yolo(list(files.values()), entry.name, runtime(), classes)
    return _zero_shot(entry, files, runtime(), templates)


def auto_detector(progress: Progress | None = None) -> ModelEntry:
    """Return what "auto" stands for: the best zero-shot detector that is on this machine, else the offline one."""
    present = [entry for entry in all_models().values() if entry.family in ZERO_SHOT_FAMILIES and is_here(entry)]
    present.sort(key=lambda entry: ZERO_SHOT_FAMILIES.index(entry.family))
    if present and importlib.util.find_spec("tokenizers"):
        return present[0]
    if present and progress:
        progress.note(f"{present[0].name} is here, but needs: pip install 'anymask[detect]'")
    return find_model(OFFLINE)


def check_detector(detector: str) -> None:
    """Refuse a detector that there is not, without fetching or loading anything.

    Raises:
        ModelError: neither a name nor a file.
    """
    if detector != "auto" and _file_of(detector) is None:
        _entry(detector)


def _entry(name: Any, progress: Progress | None = None) -> ModelEntry:
    if not isinstance(name, str):
        raise ModelError(f"detector is {name!r}: it takes a name, the path of an .onnx file, or a function")
    if name == "auto":
        return auto_detector(progress)
    detectors = [each.name for each in all_models().values() if each.family in FAMILIES]
    if name not in all_models() and name not in unpinned_models():
        to_bring = [each.name for each in unpinned_models().values() if each.family in FAMILIES]
        known = ", ".join(dict.fromkeys([*detectors, *to_bring]))
        raise ModelError(f"unknown detector {name!r}; there are {known}, and YOLO files by their path (.onnx)")
    entry = find_model(name)
    if entry.family not in FAMILIES:
        raise ModelError(f"{name} segments and does not detect; detectors here are {', '.join(detectors)}")
    return entry


def _file_of(detector: Any) -> Path | None:
    """Return the path of a detector file, or None for a name."""
    if isinstance(detector, Path) or (isinstance(detector, str) and detector.lower().endswith(".onnx")):
        path = Path(detector).expanduser()
        if not path.is_file():
            raise ModelError(f"there is no detector file {path}")
        return path
    return None


def _zero_shot(
    entry: ModelEntry, files: Mapping[str, Path], engine: Engine, templates: Sequence[str] | None
) -> Detector:
    from anymask.detection.owlvit import TEMPLATES, OwlVit

    key = hashlib.sha256("".join(file.sha256 for file in entry.files).encode()).hexdigest()
    return OwlVit(files, key, engine, entry.family, entry.name, templates or TEMPLATES)


def _yolo(paths: Sequence[Path], name: str, engine: Engine, classes: str | Path | Sequence[str] | None) -> Detector:
    from anymask.detection.yolo import Yolo, read_classes

    exports = [path for path in paths if path.suffix.lower() == ".onnx"]
    lists = [path for path in paths if path.suffix.lower() in (".txt", ".json")]
    if len(exports) != 1:
        raise ModelError(f"{name} needs one .onnx file, and has {', '.join(path.name for path in paths)}")
    if isinstance(classes, str | Path):
        classes = read_classes(Path(classes).expanduser())
    elif classes is None and lists:
        classes = read_classes(lists[0])
    return Yolo(exports[0], engine, classes, name)


def shared_detector(detector: Any, **runtime: Any) -> Detector:
    """Return a detector; one given by name is loaded once per process for each runtime.

    Args:
        detector: as for `load_detector`.
        runtime: engine, precision, threads and device, as for `load_detector`.

    Raises:
        ModelError, WeightsError, EngineError: as `load_detector`.
    """
    if not isinstance(detector, str):
        return load_detector(detector)
    name = auto_detector().name if detector == "auto" else detector
    key = (name, str(cache_root()), *runtime.values())
    with _LOCK:
        if key not in _DETECTORS:
            _DETECTORS[key] = load_detector(name, **runtime)
        return _DETECTORS[key]


_LOCK = threading.Lock()
_DETECTORS: dict[tuple[Any, ...], Detector] = {}
