"""Measure masks against ground truth, and one way of asking against another.

```python
from anymask.evaluate import Contestant, Setting, differences, measure, read_dataset, summary

photographs = read_dataset("my-photos", most=10)
ours, theirs = (Contestant(Setting("clicks", {"select": select}), anymask.load()) for select in ("object", "official"))
measure(photographs, [ours, theirs], clicks=5)
summary(ours.found, "clicks", 5)
[f"{each.name}: {each.words}" for each in differences(ours.found, theirs.found, "clicks", 5)]
```
"""

from anymask.evaluate.compare import Interval, differences, intervals
from anymask.evaluate.dataset import Object, Photograph, read_dataset
from anymask.evaluate.figures import summary
from anymask.evaluate.measure import Contestant, measure
from anymask.evaluate.metrics import boundary_iou, mask_iou
from anymask.evaluate.record import Record
from anymask.evaluate.settings import PROTOCOLS, Setting

__all__ = [
    "PROTOCOLS", "Contestant", "Interval", "Object", "Photograph", "Record", "Setting", "boundary_iou", "differences",
    "intervals", "mask_iou", "measure", "read_dataset", "summary",
]  # fmt: skip
