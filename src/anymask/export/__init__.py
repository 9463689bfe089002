"""Models as files for other programs: ONNX or OpenVINO networks that need nothing of anymask.

```python
from anymask.export import ExportOptions, export_model

report = export_model("mobile-sam", Path("exported"), ExportOptions(layout="transformers-js"))
report.least_iou  # with anymask's own masks on a known image
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anymask.export.options import ExportOptions

if TYPE_CHECKING:
    from anymask.export.write import ExportedModel, export_model

__all__ = ["ExportOptions", "ExportedModel", "export_model"]


def __getattr__(name: str) -> Any:
    """Import what exports only when it is used: the help of `anymask export` needs the options alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from anymask.export import write

    return getattr(write, name)
