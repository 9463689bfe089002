"""Peak memory of everything mode by size of the image: `python -m benchmarks.memory.everything [MEGAPIXELS …]`.

Each size runs in a process of its own, which decodes a JPEG of that size, searches it and writes all files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.speed.images import LARGE, pixels

SIZES = (1, 12, 50, 100)
PROGRAM = """
import resource, sys
from anymask.cli import main
code = main(["everything", sys.argv[1], "--out", sys.argv[2], "--quiet"])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""


def main() -> None:
    sizes = [float(each) for each in sys.argv[1:]] or SIZES
    source = Image.fromarray(pixels(LARGE))
    for megapixels in sizes:
        width = round(float(np.sqrt(megapixels * 1e6 * 1.5)))
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "photo.jpg"
            source.resize((width, round(width / 1.5))).save(image, quality=90)
            command = [sys.executable, "-c", PROGRAM, str(image), f"{folder}/out"]
            code, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:]
        print(
            f"{megapixels:>6g} MP: {float(peak):,.0f} MB" + ("" if code == "0" else f", exit code {code}"), flush=True
        )


if __name__ == "__main__":
    main()
