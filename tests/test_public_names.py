"""What is built for installation holds what is needed, and little else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    "anymask/py.typed", "anymask/prediction/ranking.json", "anymask/weights/catalogue.toml",
    "anymask/evaluation/doctor/coffee.jpg", "anymask/evaluation/doctor/coffee.npz",
    "anymask/integrations/prompter.css", "anymask/integrations/prompter.js",
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
    folder = ROOT / "src" / "anymask" / "server" / "web"
    web = {path.relative_to(ROOT / "src").as_posix() for path in folder.rglob("*") if path.is_file()}
    assert len(web) > 5
    assert web <= names


def test_importing_anymask_imports_nothing_heavy() -> None:
    code = f"import sys, anymask; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_licences_are_told_apart() -> None:
    sys.path.insert(0, str(ROOT / "release"))
    try:
        from licences import allowed, licence_of
    finally:
        sys.path.pop(0)
    assert allowed("MIT")
    assert allowed("Apache-2.0 OR GPL-3.0-only")
    assert not allowed("")
    assert not allowed("MIT AND AGPL-3.0-only")
    assert not allowed("AGPL-3.0-only AND (MIT OR GPL-3.0-only)")
    affero = "License :: OSI Approved :: GNU Affero General Public License v3"
    assert not allowed(licence_of({"classifier": [affero]}))
    assert licence_of({"license": "3-Clause BSD License"}) == "BSD-3-Clause"
    assert (
        licence_of({"license": "Copyright\nall of it", "classifier": ["License :: OSI Approved :: MIT License"]})
        == "MIT"
    )


def test_no_extra_but_the_diffusion_one_asks_for_torch() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = {"default": project["dependencies"], **project["optional-dependencies"]}
    with_torch = {name for name, needs in asked.items() if any(need.startswith("torch") for need in needs)}
    assert with_torch == {"edit-diffusion"}
