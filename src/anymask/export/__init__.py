"""Models as files for other programs: ONNX or OpenVINO networks that need nothing of anymask.

```python
from anymask.export import ExportOptions, export_model

report = export_model("mobile-sam", Path("exported"), ExportOptions(layout="transformers-js"))
report.least_iou  # with anymask's own masks on a known image
```
"""

from anymask.export.options import ExportOptions
from anymask.export.write import ExportedModel, export_model

__all__ = ["ExportOptions", "ExportedModel", "export_model"]
