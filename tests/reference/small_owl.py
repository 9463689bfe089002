"""Small OWL-ViT and OWLv2 models with random weights, as transformers has them and as ONNX exports."""

from __future__ import annotations

import string
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 192
PATCH = 16
_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_VISION = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}


@dataclass(frozen=True)
class SmallOwl:
    """One model and its files.

    Attributes:
        family: "owlvit" or "owlv2".
        model: transformers' model.
        processor: transformers' processor for it.
        folder: where `export` and the tokenizer write.
    """

    family: str
    model: Any
    processor: Any
    folder: Path

    def detect(self, pixels: NDArray[np.uint8], texts: list[str]) -> dict[str, Any]:
        """transformers' own zero-shot detection: every patch's box, score and text, best first."""
        import torch

        inputs = self.processor(text=[texts], images=pixels, return_tensors="pt")
        with torch.no_grad():
            outputs = self.model(**inputs)
        result = self.processor.post_process_grounded_object_detection(
            outputs, threshold=0.0, target_sizes=[pixels.shape[:2]], text_labels=[texts]
        )[0]
        order = torch.argsort(result["scores"], descending=True, stable=True)
        return {
            "boxes": result["boxes"][order].numpy(),
            "scores": result["scores"][order].numpy(),
            "texts": [result["text_labels"][i] for i in order],
        }

    def detect_like(self, pixels: NDArray[np.uint8], query: NDArray[np.uint8]) -> tuple[Any, Any]:
        """transformers' own image-guided detection: scores [P] and boxes [P, 4] in shares of the network's image."""
        import torch

        prepare = self.processor.image_processor
        with torch.no_grad():
            outputs = self.model.image_guided_detection(
                pixel_values=prepare(pixels, return_tensors="pt").pixel_values,
                query_pixel_values=prepare(query, return_tensors="pt").pixel_values,
            )
        centres, sizes = outputs.target_pred_boxes[0].numpy().reshape(-1, 2, 2).transpose(1, 0, 2)
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
        return torch.sigmoid(outputs.logits[0, :, 0]).numpy(), boxes

    def export(self, exporter: str, objectness: bool = False) -> dict[str, Path]:
        """Write the ONNX export that Optimum's configuration describes → the files of a detector.

        Args:
            exporter: "torchscript" or "dynamo", the two of `torch.onnx`.
            objectness: whether OWLv2's objectness is among the outputs; Optimum leaves it out.
        """
        import torch

        path = self.folder / f"{exporter}{'-objectness' if objectness else ''}" / "model.onnx"
        path.parent.mkdir(exist_ok=True)
        outputs = ["logits", "pred_boxes", "text_embeds", "image_embeds"] + ["objectness_logits"] * objectness
        tokens = torch.tensor(self.processor.tokenizer(["cup", "cat", "dog"], padding="max_length")["input_ids"])
        arguments = (tokens, torch.randn(1, 3, SIDE, SIDE), (tokens > 0).long())
        names = {"input_names": ["input_ids", "pixel_values", "attention_mask"], "output_names": outputs}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if exporter == "torchscript":
                queries = {name: {0: "queries"} for name in ("input_ids", "attention_mask")}
                open_axes = {**queries, "logits": {2: "queries"}, "text_embeds": {1: "queries"}}
                torch.onnx.export(
                    _Outputs(self.model, outputs), arguments, str(path), dynamic_axes=open_axes, opset_version=17,
                    dynamo=False, **names,
                )  # fmt: skip
            else:
                queries = torch.export.Dim("queries", min=2)
                torch.onnx.export(
                    _Outputs(self.model, outputs), arguments, str(path), dynamo=True, verbose=False,
                    dynamic_shapes=({0: queries}, None, {0: queries}), **names,
                )  # fmt: skip
        return {"model.onnx": path, "tokenizer.json": self.folder / "tokenizer.json"}


def make_small_owl(family: str, folder: Path) -> SmallOwl:
    """Build one with random weights; the heads get large ones, so that boxes and scores differ from patch to patch."""
    import torch
    import transformers
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
    from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil

    torch.manual_seed(3)
    tokenizer = _tokenizer()
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), "utf-8")
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    text = {**_TEXT, **marks, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    vision = {**_VISION, "image_size": SIDE, "patch_size": PATCH}
    first = family == "owlvit"
    config = transformers.OwlViTConfig if first else transformers.Owlv2Config
    kind = transformers.OwlViTForObjectDetection if first else transformers.Owlv2ForObjectDetection
    model = kind(config(text_config=text, vision_config=vision, projection_dim=32)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("class_head", "box_head", "objectness_head")):
                parameter.normal_(std=0.1)
            elif "token_embedding" in name:
                parameter.normal_(std=1.0)
            elif "layers" in name and parameter.ndim == 2:
                parameter.normal_(std=0.2)
    prepare = (OwlViTImageProcessorPil if first else Owlv2ImageProcessorPil)(size={"height": SIDE, "width": SIDE})
    processor = transformers.OwlViTProcessor if first else transformers.Owlv2Processor
    return SmallOwl(family, model, processor(image_processor=prepare, tokenizer=tokenizer), folder)


def _tokenizer() -> Any:
    """CLIP's tokenizer with the letters alone for its vocabulary: "!" is 0 and pads, as in OWL-ViT."""
    from transformers import CLIPTokenizer

    letters = "!" + string.ascii_lowercase + string.digits + ".,'-"
    marks = ["<|startoftext|>", "<|endoftext|>"]
    merges = [("c", "a"), ("ca", "t</w>"), ("c", "u"), ("cu", "p</w>"), ("o", "f</w>"), ("p", "h"), ("ph", "o")]
    merges += [("pho", "t"), ("phot", "o</w>"), ("s", "p"), ("sp", "o"), ("spo", "o"), ("spoo", "n</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), *marks]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token="!", model_max_length=16)


def _Outputs(model: Any, names: list[str]) -> Any:
    """The model with its answer as a tuple of these outputs."""
    import torch

    class Outputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, pixel_values: Any, attention_mask: Any) -> tuple[Any, ...]:
            output = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
            return tuple(getattr(output, name) for name in names)

    return Outputs()
