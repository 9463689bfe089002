"""Build anymask and use it as strangers will: python release/check.py [--out FOLDER] [PYTHON …].

Builds the sdist, and the wheel from the sdist. For each Python from 3.10 to 3.13 that is here, in an environment with
nothing but the wheel: imports, both ways to run the command, types as another project's mypy sees them, completion in
the shells that are here. Then the man pages and the list of all that is inside (SBOM). Without PYTHON, all that are
found on the PATH and under ~/.pyenv. Exit code 1 at the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
LARGEST_WHEEL = 2_000_000
SHELLS = {
    "bash": 'eval "$(_ANYMASK_COMPLETE=bash_source anymask)" && complete -p anymask',
    "zsh": "autoload -U compinit && compinit -u && eval \"$(_ANYMASK_COMPLETE=zsh_source anymask)\" && "
    "[[ -n $_comps[anymask] ]]",
    "fish": "_ANYMASK_COMPLETE=fish_source anymask | source; and complete -c anymask | string match -q '*anymask*'",
}  # fmt: skip
"""The lines of docs/index.md, and whether the shell knows completion for anymask afterwards."""
PACKED = (
    "src/anymask/py.typed", "src/anymask/prediction/ranking.json", "src/anymask/weights/catalogue.toml",
    "tests/conftest.py", "examples/photos/coffee.jpg", "LICENSE", "README.md", "CHANGELOG.md",
)  # fmt: skip
TYPED = """
import anymask
from pathlib import Path

segmenter = anymask.load("mobile-sam", threads=2)
mask = segmenter.encode(Path("photo.jpg")).segment(points=[(350, 450)])[0]
area: int = mask.area
wrong: str = mask.area
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", metavar="PYTHON")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where sdist, wheel, man pages and SBOM go")
    arguments = parser.parse_args()
    pythons = arguments.pythons or list(find_pythons().values())
    if not pythons:
        parser.error(f"there is no Python {', '.join(VERSIONS)}")
    out: Path = arguments.out
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = environment(pythons[-1], folder / "tools")
        pip(tools, "--group", f"{ROOT / 'pyproject.toml'}:release")
        wheel = built(tools, out)
        for place, python in enumerate(pythons):
            clean = environment(python, folder / f"python{place}")
            used(clean, wheel, tools)
        described(tools, clean, wheel, out)
    print("everything holds; docs/contributing/releasing.md tells what is left to do by hand")
    return 0


def find_pythons() -> dict[str, str]:
    """The interpreters that are here, by version, oldest first."""
    pythons: dict[str, str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in VERSIONS:
        newest_last = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"))
        places = [shutil.which(f"python{version}"), *map(str, reversed(newest_last))]
        for place in filter(None, places):
            command = [place, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
            output = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if output == version:
                pythons[version] = place
                break
    return pythons


def built(tools: Path, out: Path) -> Path:
    """Build the sdist, and the wheel from what is in it; both are looked into."""
    run(tools, "-m", "build", "--outdir", str(out), str(ROOT))
    (sdist,), (wheel,) = out.glob("anymask-*.tar.gz"), out.glob("anymask-*.whl")
    run(tools, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expect(not set(PACKED) - names, f"the sdist lacks {sorted(set(PACKED) - names)}")
    expect(wheel.stat().st_size < LARGEST_WHEEL, f"the wheel has {wheel.stat().st_size:,} bytes")
    with zipfile.ZipFile(wheel) as archive:
        strange = [each for each in archive.namelist() if not each.startswith(("anymask/", "anymask-"))]
    expect(not strange, f"the wheel has files outside anymask/: {strange[:3]}")
    return wheel


def used(clean: Path, wheel: Path, tools: Path) -> None:
    """Install the wheel alone and use it as a newcomer would."""
    pip(clean, str(wheel))
    run(clean, "-m", "pip", "check")
    version = wheel.name.split("-")[1]
    for command in ([str(clean), "-m", "anymask"], [str(clean.parent / "anymask")]):
        expect(output(*command, "--version") == f"anymask {version}", f"{command} --version is wrong")
    code = "import sys, anymask; print([name for name in ('numpy', 'cv2', 'openvino') if name in sys.modules])"
    expect(output(str(clean), "-c", code) == "[]", "import anymask imports something heavy")
    code = "import anymask; print([name for name in anymask.__all__ if getattr(anymask, name) is None])"
    expect(output(str(clean), "-c", code) == "[]", "a public name cannot be imported")
    code = "from importlib.util import find_spec; print(find_spec('torch'))"
    expect(output(str(clean), "-c", code) == "None", "the default install brings PyTorch")
    completion(clean)
    typed(clean, tools)
    print(f"  {output(str(clean), '--version')}: installs, runs, completes, is typed", flush=True)


def completion(python: Path) -> None:
    """Ask each shell that is here whether it knows how to complete `anymask`."""
    paths = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    for shell, line in SHELLS.items():
        program = shutil.which(shell)
        if program is None:
            print(f"  {shell} is not here: completion in it was not tried")
            continue
        done = subprocess.run([program, "-c", line], env=paths, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"completion in {shell}: {done.stderr.strip()[-300:]}")


def typed(clean: Path, tools: Path) -> None:
    """See that mypy in another project takes our types, and finds the one mistake that is there."""
    folder = clean.parent.parent
    (folder / "program.py").write_text(TYPED, "utf-8")
    command = [str(tools), "-m", "mypy", "--strict", "--python-executable", str(clean), "program.py"]
    output = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False).stdout
    expect(output.count("error:") == 1 and "program.py:8" in output, f"mypy from outside says: {output}")


def described(tools: Path, clean: Path, wheel: Path, out: Path) -> None:
    """Man pages, and the list of everything that the default install brings."""
    pip(tools, str(wheel))
    run(tools, ROOT / "release" / "man_pages.py", out / "man")
    pages = sorted(path.name for path in (out / "man").glob("*.1"))
    expect("anymask.1" in pages and "anymask-segment.1" in pages and len(pages) > 10, f"man pages: {pages}")
    sbom = out / f"{wheel.name.removesuffix('.whl')}.cdx.json"
    run(tools, "-m", "cyclonedx_py", "environment", "--validate", "-o", str(sbom), str(clean))
    print(f"  {len(pages)} man pages; {sbom.name} lists what is inside")


# ---------------------------------------------------------------- running


def environment(python: str, folder: Path) -> Path:
    """A new virtual environment; returns its interpreter."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    inside = folder / "bin" / "python"
    pip(inside, "pip>=25")
    return inside


def pip(python: Path, *packages: str) -> None:
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *packages)


def run(*command: str | Path) -> None:
    """Run a command away from the repository, so that only what is installed counts; its output if it fails."""
    done = subprocess.run(list(map(str, command)), cwd="/", capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def output(*command: str) -> str:
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False).stdout.strip()


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"release check: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
