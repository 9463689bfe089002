"""Compare masks with ground truth, and one setting with another.

```python
from anymask.evaluation import Setting, Variant, differences, evaluate, load_dataset, summary

images = load_dataset("my-images", max_objects=10)
first, second = (Variant(Setting("clicks", {"select": select}), anymask.load()) for select in ("object", "official"))
evaluate(images, [first, second], clicks=5)
summary(first.results, "clicks", 5)
[f"{each.name}: {each.text}" for each in differences(first.results, second.results, "clicks", 5)]
```
"""

from anymask.evaluation.compare import Interval, differences, intervals
from anymask.evaluation.datasets.ground_truth import AnnotatedImage, Object
from anymask.evaluation.datasets.read import load_dataset
from anymask.evaluation.metrics import boundary_iou, mask_iou
from anymask.evaluation.record import Record
from anymask.evaluation.runner import Variant, evaluate
from anymask.evaluation.settings import PROTOCOLS, Setting
from anymask.evaluation.summary import summary

__all__ = [
    "PROTOCOLS",
    "AnnotatedImage",
    "Interval",
    "Object",
    "Record",
    "Setting",
    "Variant",
    "boundary_iou",
    "differences",
    "evaluate",
    "intervals",
    "load_dataset",
    "mask_iou",
    "summary",
]  # fmt: skip
