"""What is built for installation holds what is needed, and little else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    "anymask/py.typed", "anymask/ranking.json", "anymask/weights/catalogue.toml",
    "anymask/doctor/coffee.jpg", "anymask/doctor/coffee.npz",
)  # fmt: skip
HEAVY = ("cv2", "numpy", "onnx", "onnxruntime", "openvino", "PIL", "torch")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("anymask-*.whl")
    return built


def test_the_wheel_stays_under_two_megabytes(wheel: Path) -> None:
    assert wheel.stat().st_size < 2_000_000


def test_the_wheel_has_every_file_that_the_code_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(NEEDED) <= names
    folder = ROOT / "src" / "anymask" / "serve" / "web"
    web = {path.relative_to(ROOT / "src").as_posix() for path in folder.rglob("*") if path.is_file()}
    assert len(web) > 5
    assert web <= names


def test_importing_anymask_imports_nothing_heavy() -> None:
    code = f"import sys, anymask; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
