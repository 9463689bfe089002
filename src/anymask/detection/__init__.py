"""Words → boxes: detectors, and what all of them share.

```python
from anymask.detection.loading import load_detector
from anymask.detection.search import detect

detector = load_detector("auto")                      # the zero-shot one if it is here, else coco-ssd
for label, score, box in detect(detector, image.pixels, "dog, cat"): ...
```

A detector is one file here, plus its lines in the weights catalogue; or any callable of your own.
"""
