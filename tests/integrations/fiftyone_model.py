"""Runs in the environment of FiftyOne: our model in the loop of `apply_model`, without its database.

Arguments: the folder of our source, that of our own environment's packages, an image. Prints the detections as JSON.
"""

import json
import sys

source, packages, path = sys.argv[1:]
sys.path.insert(0, source)
sys.path.append(packages)  # what anymask needs and FiftyOne does not bring

import fiftyone.core.labels as fol  # noqa: E402
import fiftyone.core.models as fom  # noqa: E402

import anymask  # noqa: E402
from anymask.integrations.fiftyone import AnymaskModel  # noqa: E402

pixels = anymask.open_image(path).pixels
model = AnymaskModel(anymask.load("mobile-sam", precision="f32"), text="cup", detector="coco-ssd")
assert isinstance(model, fom.Model)
assert model.media_type == "image"
assert [model.has_logits, model.has_embeddings, model.preprocess] == [False] * 3
with model:
    batches = model.predict_all([pixels, pixels[:300]])
assert all(isinstance(each, fol.Detections) for each in batches)
detections = [
    {"label": each.label, "box": each.bounding_box, "mask": each.mask.tolist(), "confidence": each.confidence}
    for each in batches[0].detections
]
print(json.dumps(detections))
