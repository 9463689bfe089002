"""Check under which licences everything is that an installation brings: python release/licences.py [--python PYTHON].

pip resolves the default install and every extra, without installing any, and tells what each package says of itself.
Fails if one is under a licence that is not in the list, says nothing, or if the default install brings PyTorch.
Weights are another matter: `anymask models list` shows theirs, and `--allow` decides.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Licences under which a product may be built on anymask whatever its own licence. MPL-2.0 asks for the source of its
own files alone; certifi and tqdm come under it, unchanged."""

SAME = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0", "apache software": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0", "osi approved :: apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause", "3-clause bsd": "BSD-3-Clause", "new bsd": "BSD-3-Clause",
    "freebsd": "BSD-2-Clause", "isc": "ISC", "isc license (iscl)": "ISC", "mit": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "psfl": "PSF-2.0",
    "python software foundation": "PSF-2.0",
}  # fmt: skip
"""Other words for a licence, in lower case and without "License" at the end."""

DRIVERS = re.compile(r"(nvidia-|cuda-toolkit$)")
"""PyTorch's wheels for Linux bring NVIDIA's own libraries, under NVIDIA's own terms; only `edit-diffusion` asks for
PyTorch, and PyTorch's wheels for the CPU are without them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="resolve for this interpreter")
    parser.add_argument("--wheel", default=str(ROOT), help="what to install; the repository if left out")
    given = parser.parse_args()
    default = resolved(given.python, given.wheel)
    everything = resolved(given.python, f"{given.wheel}[{','.join(extras())}]")
    wrong = [f"the default install brings {name}" for name in ("torch", "torchvision") if name in default]
    for name, about in sorted(everything.items()):
        licence = licence_of(about)
        is_driver = DRIVERS.match(name) is not None and name not in default
        if not is_driver and not allowed(licence):
            wrong.append(f"{name} {about['version']} is under {licence or 'no licence that it tells'}")
    drivers = sum(DRIVERS.match(name) is not None for name in everything)
    print(
        f"{len(default)} packages by default, {len(everything)} with all extras, {drivers} of them NVIDIA's (PyTorch)"
    )
    print("\n".join(f"NOT ALLOWED: {each}" for each in wrong) or "all licences are allowed")
    return int(bool(wrong))


def extras() -> list[str]:
    """The names of all extras."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return sorted(table["project"]["optional-dependencies"])


def resolved(python: str, requirement: str) -> dict[str, dict[str, Any]]:
    """What pip would install, by lower-case name; anymask itself is left out."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
        subprocess.run([*command, "--ignore-installed", "--report", str(report), requirement], check=True)
        packages = [entry["metadata"] for entry in json.loads(report.read_text("utf-8"))["install"]]
    return {each["name"].lower(): each for each in packages if each["name"] != "anymask"}


def licence_of(about: dict[str, Any]) -> str:
    """The licence as an SPDX expression, as far as it can be told; "" if nothing is said."""
    if expression := about.get("license_expression"):
        return str(expression)
    prefix = "License :: OSI Approved :: "
    classified = [each.removeprefix(prefix) for each in about.get("classifier", ()) if each.startswith(prefix)]
    stated = str(about.get("license") or "").strip()
    stated = "" if stated == "UNKNOWN" else stated  # what old tools write where nothing is stated
    names = [stated] if stated and len(stated) < 60 and "\n" not in stated else classified
    return " AND ".join(_spdx(each) for each in names)


def _spdx(text: str) -> str:
    short = re.sub(r"\s+licen[sc]e$", "", text.strip().lower())
    return SAME.get(short) or SAME.get(text.strip().lower(), text.strip())


def allowed(expression: str) -> bool:
    """Whether all parts of an expression, or one of several to choose from, are in the list.

    Of an expression with brackets all parts count, choices too.
    """
    choices = [expression] if "(" in expression else re.split(r"\s+OR\s+", expression)
    return any(all(part.strip(" ()") in ALLOWED for part in re.split(r"\s+(?:AND|OR)\s+", each)) for each in choices)


if __name__ == "__main__":
    sys.exit(main())
