"""Write `docs/explanation/fidelity.md` with the official code: `python -m tests.reference.make_fidelity`.

To be run after anything that moves the figures: a graph, a range of int8, an engine's version, an example image.
"""

from __future__ import annotations

from importlib.metadata import version

import torch

from anymask.engines.loading import load_engine
from anymask.errors import EngineError
from benchmarks.peers.machine import processor
from tests.reference.fidelity import BOUNDS_HEADING, COMMAND, HEADING, RUNS, TABLE, THINGS
from tests.reference.fidelity_runs import measure

TEXT = """# Fidelity to the official code

Every row compares anymask with the official PyTorch code, run in f32 with the same weights, two threads each, on
the three photographs in `examples/photos`: {things} objects, annotated manually, and every kind of prompt for each.

```
{command}      writes this page
make reference                               measures all of it again, and fails where a row exceeds its bound
```

{table}

Measured on {cpu}, with openvino {openvino}, onnxruntime {onnxruntime} and torch {torch}.

- **Embedding cosine**: the lowest of the photographs.
- **Mask IoU**: the three candidates and the single mask of each prompt against the official ones, in the size of the
  image. *Stable masks* are those whose official mask has a stability of 0.9 or more. The other masks depend on logits
  near zero, which rounding changes: there the masks of bf16 and int8 may differ, as *all masks* shows. In f32 they
  differ by at most one pixel in ten thousand.
- **Score gap**: the largest difference of the predicted IoU, over all masks.
- **mask input**: the best official mask of each prompt is given as input together with the prompt.
- **int8**: 40 linear layers of the encoder ([speed and precision](speed.md)). The rest ran in {rest} with OpenVINO
  and in f32 with ONNX Runtime, which has no bf16 on the CPU. The ranges of int8 were measured on eleven photographs,
  which include these; [speed and precision](speed.md) has the loss of int8 on others.

## Bounds

`make reference` requires these bounds for every kind of prompt. `anymask doctor` checks the embedding and the stable
masks against the same bounds on your machine, with an image from the package. On a processor without bf16 it skips
that row and states the reason.

{bounds}

## Other models

There are no rows for SAM's ViT encoders and FastSAM, because the tests do not download their trained weights. With
random weights hardly any mask is stable, so such rows would tell nothing about real images. `make reference` compares
their arithmetic with the official code on seeded random weights instead:

- ViT-B at full size, and ViT-L's depth and heads, in f32: embedding cosine from 0.9999, logits within 0.01, scores
  within 0.001 (`tests/reference/test_vit.py`);
- FastSAM with ultralytics (`tests/reference/test_official_fastsam.py`).

To measure the loss of a precision with weights of your own, run
`anymask evaluate FOLDER --model NAME --precision bf16 --against precision=f32`.
"""


def main() -> None:
    rows, missing = [], []
    for run in RUNS:
        try:
            rows += measure(run)
        except EngineError as error:
            missing.append(f"Not measured: {' '.join(run)} ({error}).")
            print(missing[-1])
    lines = [HEADING, *(row.as_line() for row in rows), *(f"\n{line}" for line in missing)]
    bounds = [f"| {' | '.join(run)} | {bound.as_cells()} |" for run, bound in RUNS.items()]
    text = TEXT.format(
        command=COMMAND,
        table="\n".join(lines),
        bounds="\n".join([BOUNDS_HEADING, *bounds]),
        things=sum(map(len, THINGS.values())),
        cpu=processor(),
        rest=load_engine("openvino", device="cpu").precision,
        **{name: version(name) for name in ("openvino", "onnxruntime", "torch")},
    )
    TABLE.write_text(text, encoding="utf-8")
    broken = [row for row in rows if not row.is_within_bounds]
    for row in broken:
        print(f"leaves its bound: {row.as_line()}")
    print(f"{TABLE}: {len(rows)} rows, {len(broken)} outside their bounds")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
