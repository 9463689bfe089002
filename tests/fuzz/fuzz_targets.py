"""What is fuzzed: everything that reads what strangers wrote, each as a function of bytes.

A target may raise AnymaskError, whatever the bytes are; anything else it raises is a bug, and so is taking more time
or memory than `run_fuzz.py` allows.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from anymask.errors import AnymaskError
from anymask.formats import masks_json
from anymask.formats.datasets import read_dataset
from anymask.formats.registry import find_format
from anymask.io.image import open_image
from anymask.io.stored_values import stored_values
from anymask.structures.mask import Mask
from anymask.structures.mask_image import is_label_map, mask_of
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts, parse_box, parse_point
from anymask.structures.transforms import ResizeLongestSide

Target = Callable[[bytes], None]

MAX_PIXELS = 1_000_000
"""Of images that are decoded; everything interesting happens in smaller ones, and large ones take time."""

FILE_MARK = b"\n=== "
"""Begins each file of a target that reads several, followed by its name and a line break."""

TARGETS: dict[str, Target] = {}


def run(name: str, data: bytes) -> bool:
    """Give bytes to a target and tell whether it took them; raises whatever it should not have raised."""
    try:
        TARGETS[name](data)
    except AnymaskError as error:
        if not str(error).strip():
            raise ValueError("an error without a message") from error
        return False
    return True


def target(name: str) -> Callable[[Target], Target]:
    def named(function: Target) -> Target:
        TARGETS[name] = function
        return function

    return named


@contextlib.contextmanager
def written(name: str, data: bytes) -> Iterator[Path]:
    """The bytes in a file of that name; one folder serves all calls, for making one takes longer than reading it."""
    path = _folder() / name
    path.write_bytes(data)
    yield path


@contextlib.contextmanager
def unpacked(data: bytes) -> Iterator[Path]:
    """Several files in a folder of their own, see `FILE_MARK`."""
    folder = _folder() / "files"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for entry in data.split(FILE_MARK)[1:]:
        name, _, content = entry.partition(b"\n")
        parts = [part for part in name.decode("ascii", "replace").split("/") if part.strip(".") and "\0" not in part]
        if not parts or len(name) > 100:
            continue
        path = folder.joinpath(*parts)
        with contextlib.suppress(OSError):  # a file where another wants a folder
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    yield folder


def packed(files: dict[str, bytes]) -> bytes:
    """The inverse of `unpacked`."""
    return b"".join(FILE_MARK + name.encode() + b"\n" + content for name, content in files.items())


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="anymask-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def looked_at(masks: MaskSet) -> None:
    """Use what was read, as the commands do."""
    assert masks.size[0] >= 1
    assert masks.size[1] >= 1
    for mask in list(masks)[:20]:
        if masks.size[0] * masks.size[1] <= MAX_PIXELS:
            assert mask.array.sum() == mask.area
            assert mask.rle["size"] == list(masks.size[::-1])
            json.dumps(masks_json.mask_to_dict(mask), allow_nan=False)
    json.loads(masks_json.dumps(masks_json.to_dict(masks[:0])))


# ---------------------------------------------------------------- images and prompts


@target("picture")
def picture(data: bytes) -> None:
    image = open_image(data, max_pixels=MAX_PIXELS)
    assert image.pixels.shape == (*image.size[::-1], 3)


@target("picture-window")
def picture_window(data: bytes) -> None:
    image = open_image(data, max_pixels=MAX_PIXELS, window=(100, 3000))
    assert image.pixels.dtype == np.uint8


@target("mask-image")
def mask_image(data: bytes) -> None:
    stored = stored_values(data, MAX_PIXELS)
    is_label_map(stored)
    assert mask_of(stored).shape == stored.size[::-1]


@target("prompts")
def prompts(data: bytes) -> None:
    arguments = _json(data)
    names = ("points", "labels", "box", "boxes", "mask_input", "text", "each", "coordinates", "box_format", "outside")
    known = {name: arguments[name] for name in names if isinstance(arguments, dict) and name in arguments}
    for prompt in make_prompts((640, 480), **known):
        json.dumps(prompt.as_dict(), allow_nan=False)


@target("prompt-words")
def prompt_words(data: bytes) -> None:
    from anymask.detection.phrases import parse_phrases

    for line in data.decode("utf-8", "surrogateescape").splitlines():
        kind, _, text = line.partition(" ")
        parse = {"point": parse_point, "box": parse_box}.get(kind)
        if parse is not None:
            assert np.isfinite(parse(text, (640, 480))).all()
        else:
            parse_phrases(line)


@target("steps")
def steps(data: bytes) -> None:
    from anymask.prediction.prompt_log import follow_all, read_steps

    text = data.decode("utf-8", "replace")
    objects, names = read_steps(text.lstrip("@"))
    looked_at(follow_all(_encoded(), objects, names))


@cache
def _encoded() -> Any:
    return FakeEncodedImage()


class FakeEncodedImage:
    """Answers as an EncodedImage does, without a model: every prompt means a disc."""

    size = (64, 48)

    def __init__(self) -> None:
        self.source = open_image(np.zeros((48, 64, 3), np.uint8))
        self.runtime = SimpleNamespace(model=SimpleNamespace(geometry=ResizeLongestSide))

    @property
    def provenance(self) -> Any:
        from anymask.structures.provenance import Provenance

        return Provenance("fake", "none")

    def segment(self, **arguments: Any) -> list[Mask]:
        make_prompts(self.size, **arguments)
        y, x = np.ogrid[:48, :64]
        return [Mask.from_array((x - 30) ** 2 + (y - 20) ** 2 < 150, score=0.9)]

    def predict(self, points: Any, labels: Any, box: Any, mask_input: Any) -> Any:
        from anymask.errors import PromptError

        raise PromptError("the stand-in predicts nothing")


def _json(data: bytes) -> Any:
    from anymask.errors import InputError

    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON: {error}") from None


# ---------------------------------------------------------------- files with masks


def _one_file(name: str, suffix: str) -> None:
    @target(name)
    def read(data: bytes) -> None:
        format = find_format(name)
        with written(f"file{suffix}", data) as path:
            if format.read_dataset is not None:
                for masks in format.read_dataset(path):
                    looked_at(masks)
            else:
                looked_at(format.read(path))


for _name, _suffix in {
    "masks-json": ".json", "sa1b": ".json", "coco": ".json", "labelme": ".json", "geojson": ".geojson",
    "csv": ".csv", "cvat": ".xml", "label-studio": ".json", "png": ".png", "label-map": ".png",
}.items():  # fmt: skip
    _one_file(_name, _suffix)


@target("geojson-of-others")
def geojson_of_others(data: bytes) -> None:
    with written("other.geojson", data) as path:
        looked_at(find_format("geojson").read(path, _encoded().source))


@target("folders")
def folders(data: bytes) -> None:
    with unpacked(data) as folder:
        for masks in read_dataset(folder):
            looked_at(masks)


@target("archive")
def archive(data: bytes) -> None:
    with written("export.zip", data) as path:
        for masks in read_dataset(path):
            looked_at(masks)


# ---------------------------------------------------------------- jobs, weights


@target("prompt-files")
def prompt_files(data: bytes) -> None:
    from anymask.batch.prompt_files import read_prompts

    name = "prompts.json" if data.lstrip()[:1] in (b"{", b"[") else "prompts.csv"
    with written(name, data) as path:
        for prompts in read_prompts(str(path)).prompts.values():
            for prompt in prompts:
                arguments = {name: prompt[name] for name in ("points", "labels", "box")}
                with contextlib.suppress(AnymaskError):
                    make_prompts((64, 48), **arguments)


def _weights(name: str, suffix: str, module: str, function: str) -> None:
    @target(name)
    def read(data: bytes) -> None:
        from importlib import import_module

        reader = getattr(import_module(f"anymask.weights.checkpoints.{module}"), function)
        with written(f"weights{suffix}", data) as path:
            for array in reader(path).values():
                assert array.dtype == np.float32
                array.sum()


_weights("pth", ".pth", "pytorch", "read_pth")
_weights("safetensors", ".safetensors", "safetensors", "read_safetensors")
_weights("onnx", ".onnx", "onnx", "read_onnx")


@target("catalogue")
def catalogue(data: bytes) -> None:
    from anymask.weights.catalogue import read_catalogue
    from anymask.weights.model_entry import entry_table

    with written("models.toml", data) as path:
        for entry in read_catalogue(path).values():
            entry_table(entry)


# ---------------------------------------------------------------- the server


@target("server")
def server(data: bytes) -> None:
    """The first line names the route and the kind of content, the rest is the body."""
    client, image = _server()
    head, _, body = data.partition(b"\n")
    route, _, kind = head.decode("latin-1").partition(" ")
    routes = ("segment", "everything", "detect", "cutout", "export", "state")
    path = f"/v1/images/{image}/{route}" if route in routes else "/v1/images"
    kind = "".join(each for each in kind if " " <= each <= "~").strip() or "application/json"
    method, query = ("PUT", {"session": "a"}) if route == "state" else ("POST", None)
    response = client.request(method, path, params=query, content=body, headers={"content-type": kind})
    assert response.status_code < 500, f"{response.status_code} {response.text}"
    if response.status_code == 202:
        client.delete(response.json()["state"])


@cache
def _server() -> Any:
    from starlette.testclient import TestClient

    import anymask
    from anymask.server.app import create_app
    from anymask.server.service import ServerSettings

    photo = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"
    segmenter = anymask.load("mobile-sam", threads=1)
    app = create_app(segmenter, ServerSettings(_folder() / "serve", detector="coco-ssd"))
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=True)
    client.__enter__()
    id = client.post("/v1/images", files={"file": ("photo.jpg", photo.read_bytes())}).json()["id"]
    client.get(f"/v1/images/{id}", params={"wait": 30})
    return client, id
