"""Measure masks against ground truth, and one way of asking against another.

```python
from anymask.evaluation import Setting, Variant, differences, evaluate, read_dataset, summary

photographs = read_dataset("my-photos", most=10)
ours, theirs = (Variant(Setting("clicks", {"select": select}), anymask.load()) for select in ("object", "official"))
evaluate(photographs, [ours, theirs], clicks=5)
summary(ours.found, "clicks", 5)
[f"{each.name}: {each.words}" for each in differences(ours.found, theirs.found, "clicks", 5)]
```
"""

from anymask.evaluation.compare import Interval, differences, intervals
from anymask.evaluation.datasets.ground_truth import Object, Photograph
from anymask.evaluation.datasets.read import read_dataset
from anymask.evaluation.metrics import boundary_iou, mask_iou
from anymask.evaluation.record import Record
from anymask.evaluation.runner import Variant, evaluate
from anymask.evaluation.settings import PROTOCOLS, Setting
from anymask.evaluation.summary import summary

__all__ = [
    "PROTOCOLS",
    "Interval",
    "Object",
    "Photograph",
    "Record",
    "Setting",
    "Variant",
    "boundary_iou",
    "differences",
    "evaluate",
    "intervals",
    "mask_iou",
    "read_dataset",
    "summary",
]  # fmt: skip
