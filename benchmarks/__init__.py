"""Side-by-side speed of anymask and the official PyTorch code: `make bench`, or `python -m benchmarks`."""

import sys
from importlib.util import find_spec
from pathlib import Path

# The official model is built by the same file as in the reference tests, so that what is timed is what is compared.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))

missing = [name for name in ("torch", "mobilesam_lite") if find_spec(name) is None]
if missing:
    sys.exit(f"the benchmarks run the official code; missing: {', '.join(missing)} (make bench installs it)")
