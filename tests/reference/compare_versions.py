"""Compare two versions of anymask, mask for mask: `python -m tests.reference.compare_versions OTHER/src`.

Both versions answer the same clicks, boxes, text, searches, batch jobs and HTTP requests about the example images, each
in a process of its own. Masks, scores and written files must be equal bit for bit. Only the names that the move to
rooms changed are translated (`NEW_KEYS`); times, versions and references are left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "examples" / "photos"
CLICKS = {
    "coffee.jpg": [[(110, 300)], [(300, 230)], [(300, 230), (470, 210)]],
    "chelsea.jpg": [[(200, 150)], [(130, 120), (320, 115)]],
    "citrus.jpg": [[(410, 470)], [(410, 470), (900, 430)]],
}
BOXES = {
    "coffee.jpg": [[170, 14, 412, 264], [60, 250, 300, 380]],
    "chelsea.jpg": [[100, 20, 400, 290]],
    "citrus.jpg": [[300, 300, 700, 700]],
}
NEW_KEYS = {
    "satisfied": "follows_prompt", "satisfied_detail": "prompt_check", "clean_up": "edits", "frame": "coordinates",
    "search": "options", "keep": "store", "quick": "preview",
}  # fmt: skip
"""Old → new name of what the move renamed in files and in HTTP bodies."""
LEFT_OUT = re.compile(
    r"^(folder|seconds|version|expires|id|file|logits|image|created|path|about|call|events|state|job|options)$"
)
RUN_ONLY = re.compile(rb"anymask [\d.]+|\d{4}-\d\d-\d\dT[\d:.]+")
BATCH = ("--points-per-side", "8")


def record() -> dict[str, Any]:
    """All that one version says, by what was done."""
    import anymask

    segmenter = anymask.load("mobile-sam", precision="f32", threads=2, store=False)
    facts: dict[str, Any] = {}
    for name in CLICKS:
        facts |= {f"{name} {key}": value for key, value in _of_image(segmenter.encode(IMAGES / name), name).items()}
    with tempfile.TemporaryDirectory() as folder:
        facts |= _of_batch(Path(folder))
        facts |= _of_server(segmenter, Path(folder))
    return facts


def _of_image(encoded: Any, name: str) -> dict[str, Any]:
    facts = {}
    predict = getattr(encoded, "predict", None) or encoded.candidates
    alternatives = getattr(encoded, "alternatives", None) or encoded.choices
    for points in CLICKS[name]:
        facts[f"predict {points}"] = [_digest(each) for each in (predict(points).masks, predict(points).scores)]
        facts[f"alternatives {points}"] = _masks(alternatives(points))
        facts[f"click {points}"] = _masks(encoded.segment(points=points, labels=[1] * len(points)))
        for select in ("part", "score"):
            facts[f"click {points} {select}"] = _masks(encoded.segment(points=points, select=select, refine="off"))
        first = encoded.segment(points=points)
        again = encoded.segment(points=[*points, (5, 5)], labels=[*[1] * len(points), 0], previous=first[0])
        facts[f"click {points}, then one excluded"] = _masks(again)
    facts["boxes"] = _masks(encoded.segment(boxes=BOXES[name]))
    facts["box"] = _masks(encoded.segment(box=BOXES[name][0], refine="max"))
    points = CLICKS[name][-1]
    facts["one object for each point"] = _masks(_segment_each(encoded, points))
    text = {"text": "cup"} if not hasattr(encoded, "segment_text") else {}
    named = encoded.segment(**text, detector="coco-ssd") if text else encoded.segment_text("cup", detector="coco-ssd")
    facts["text"] = _masks(named)
    for sampling in ("adaptive", "grid"):
        facts[f"everything {sampling}"] = _masks(encoded.everything(sampling=sampling, points_per_side=12))
    crops = encoded.everything(sampling="grid", points_per_side=8, crop_n_layers=1)
    facts["everything in crops"] = _masks(crops)
    with tempfile.TemporaryDirectory() as folder:
        for format in (
            "coco",
            "labelme",
            "yolo",
            "png",
            "label-map",
            "cvat",
            "csv",
            "geojson",
            "voc",
            "sa1b",
            "masks-json",
        ):
            path = Path(folder) / format / f"out{'' if format in ('yolo', 'voc', 'png') else '.json'}"
            path.parent.mkdir()
            facts[f"file {format}"] = _saved(named, path, format)
    return facts


def _segment_each(encoded: Any, points: Any) -> Any:
    try:
        return encoded.segment(points=points, objects="per_point")
    except TypeError:
        return encoded.segment(points=points, each=True)


def _saved(masks: Any, path: Path, format: str) -> Any:
    try:
        masks.save(path, format=format)
    except Exception as error:
        return type(error).__name__
    return _files(path.parent)


def _of_batch(folder: Path) -> dict[str, Any]:
    (folder / "in").mkdir()
    for name in ("coffee.jpg", "chelsea.jpg"):
        (folder / "in" / name).write_bytes((IMAGES / name).read_bytes())
    for kind in (["--everything", *BATCH], ["--text", "cup", "--detector", "coco-ssd"]):
        command = [sys.executable, "-m", "anymask", "batch", str(folder / "in"), "--out", str(folder / f"out{kind[0]}")]
        subprocess.run([*command, *kind, "--precision", "f32", "--quiet"], check=True)
    return {f"batch {kind}": _files(folder / f"out{kind}") for kind in ("--everything", "--text")}


def _of_server(segmenter: Any, folder: Path) -> dict[str, Any]:
    from starlette.testclient import TestClient

    try:
        from anymask.server.app import create_app
        from anymask.server.service import ServerSettings
    except ImportError:
        from anymask.serve.app import create_app  # type: ignore[no-redef]
        from anymask.serve.service import Settings as ServerSettings  # type: ignore[no-redef]

    facts = {}
    app = create_app(segmenter, ServerSettings(folder / "data", detector="coco-ssd"))
    with TestClient(app, base_url="http://localhost") as client:
        file = {"file": ("coffee.jpg", (IMAGES / "coffee.jpg").read_bytes())}
        path = f"/v1/images/{client.post('/v1/images', files=file).json()['id']}"
        for prompt in ({"points": [[110, 300]]}, {"box": [170, 14, 412, 264]}, {"text": "cup"}):
            for form in ("rle", "polygons", "png"):
                body = {"prompts": [prompt], "format": form, "candidates": "text" not in prompt}
                facts[f"HTTP segment {prompt} {form}"] = _plain(client.post(f"{path}/segment", json=body).json())
        facts["HTTP detect"] = _plain(client.post(f"{path}/detect", json={"text": "cup"}).json())
        job = client.post(f"{path}/everything", json={"points_per_side": 8}).json()["job"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as events:
            list(events.iter_lines())
        result = client.get(f"/v1/jobs/{job}").json()["result"]
        facts["HTTP everything"] = _plain(result["masks"])
    return facts


def _masks(masks: Any) -> list[Any]:
    """Pixels, score, stability and logits of each mask."""
    return [
        [_digest(mask.array), mask.score, mask.stability, _digest(mask.logits), mask.label, mask.detector_score]
        for mask in masks
    ]


def _digest(array: Any) -> str | None:
    return None if array is None else f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()[:16]}"


def _files(folder: Path) -> dict[str, Any]:
    """The content of every file: JSON without what differs from run to run, pixels of images, bytes of the rest."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and ".anymask" not in path.parts):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        if path.suffix in (".jsonl", ".lock", ".sqlite"):
            continue
        try:
            found[name] = _plain(json.loads(content))
        except ValueError:
            found[name] = hashlib.sha256(RUN_ONLY.sub(b"", content)).hexdigest()[:16]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {NEW_KEYS.get(key, key): _plain(each) for key, each in value.items() if not LEFT_OUT.match(key)}
        return kept
    return [_plain(each) for each in value] if isinstance(value, list) else value


def main() -> int:
    """Record both versions and print what differs; 1 if something does."""
    if sys.argv[1] == "--record":
        Path(sys.argv[2]).write_text(json.dumps(record()), encoding="utf-8")
        return 0
    facts = []
    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate((Path(sys.argv[1]).resolve(), ROOT / "src")):
            out = Path(folder) / f"{number}.json"
            variables = {**os.environ, "PYTHONPATH": str(source), "ANYMASK_DATA": folder}
            subprocess.run([sys.executable, __file__, "--record", str(out)], check=True, env=variables)
            facts.append(json.loads(out.read_bytes()))
    before, after = facts
    different = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    for name in different:
        print(f"{name}: {json.dumps(before.get(name))[:300]}\n{' ' * len(name)}  {json.dumps(after.get(name))[:300]}")
    print(f"{len(before)} answers before, {len(after)} after, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
