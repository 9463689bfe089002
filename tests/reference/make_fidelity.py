"""Write the tables of `docs/fidelity.md` with the official code: `python tests/reference/make_fidelity.py`.

To be run after anything that moves the figures: a graph, a range of int8, an engine's version, an example photograph.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch
from fidelity import COMMAND, HEADING, TABLE
from fidelity_runs import measure

TEXT = """# Fidelity: how far each engine and precision is from the official code

Every row compares anymask with the official PyTorch code run live, in f32, with the same weights, on the photographs in
`examples/photos`. Written by `{command}`; `make reference` measures all of it again and fails where a row
leaves its bound.

- **Embedding cosine**: the least over the photographs.
- **Mask IoU**: full-size masks against the official ones, all candidates and the single answer; *mean* and *worst* over
  those whose official answer has a stability of 0.9 or more. Less stable masks hang on logits near zero, which any
  rounding moves; they are in *all masks*.
- **Score gap**: the largest difference of the predicted IoU.
- **mask input**: the official best mask of each prompt, given back together with the prompt.
- **int8**: the layers of the encoder that `python -m benchmarks.calibrate` has ranges for; the rest of the encoder and
  the decoder run in bf16 where the processor has it (here: {rest}), else in f32.
- **Random weights**: Segment Anything's own ViT-B, whose trained weights are not fetched for tests, with seeded random
  numbers. They exercise the arithmetic; their masks mean nothing, and rounding is not judged on them.

{table}

{versions}; {machine}.
"""


def main() -> None:
    rows = list(measure())
    broken = [row for row in rows if not row.kept]
    TABLE.write_text(
        TEXT.format(
            command=COMMAND, rest=_rest(), table="\n".join([HEADING, *(row.as_line() for row in rows)]),
            versions=", ".join(f"{name} {version(name)}" for name in ("openvino", "onnxruntime", "torch")),
            machine=f"{platform.system()} on {platform.machine()}",
        ),
        encoding="utf-8",
    )  # fmt: skip
    for row in broken:
        print(f"leaves its bound: {row.as_line()}")
    print(f"{TABLE}: {len(rows)} rows, {len(broken)} outside their bounds")


def _rest() -> str:
    from anymask.engines import load_engine

    return load_engine("openvino", device="cpu").precision


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
