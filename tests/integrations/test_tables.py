"""Results in supervision, pandas and Hugging Face datasets, read by those libraries themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest
import supervision as sv

from anymask import EncodedImage, Mask, MaskSet
from anymask.integrations.huggingface import features, to_dataset
from anymask.integrations.pandas import to_pandas

BOXES = [[170, 14, 412, 264], [480, 10, 600, 390]]
MORE = {"TraceAnnotator", "IconAnnotator", "ComparisonAnnotator", "LineZoneAnnotator", "PolygonZoneAnnotator"}
"""Annotators that need more than detections of one image: tracks, icons, a second set, zones."""
NOT_OF_MASKS = {"OrientedBoxAnnotator", "DepthAnnotator", "EdgeAnnotator"}
ANNOTATORS = sorted(
    name
    for name in dir(sv)
    if name.endswith("Annotator") and not name.startswith("Vertex") and name not in MORE | NOT_OF_MASKS
)


@pytest.fixture(scope="module")
def results(coffee: EncodedImage) -> dict[str, MaskSet]:
    """Without labels, with some, with all, and empty."""
    plain = coffee.segment(boxes=BOXES)
    some = plain.replace([plain[0].replace(label="cup"), plain[1]])
    named = plain.replace([mask.replace(label=name) for mask, name in zip(plain, ("cup", "spoon"), strict=True)])
    return {"plain": plain, "some": some, "named": named, "empty": plain[:0]}


@pytest.mark.parametrize("name", ANNOTATORS)
def test_every_annotator_of_supervision_takes_every_result(
    name: str, results: dict[str, MaskSet], coffee: EncodedImage
) -> None:
    for kind, result in results.items():
        scene: Any = getattr(sv, name)().annotate(coffee.pixels[:, :, ::-1].copy(), result.to_supervision())
        changed = bool((np.asarray(scene) != coffee.pixels[:, :, ::-1]).any())
        assert changed or kind == "empty", (name, kind)


def test_confidence_is_the_detectors(coffee: EncodedImage) -> None:
    result = coffee.segment_text("cup", detector="coco-ssd")
    confidence = result.to_supervision().confidence
    assert confidence.tolist() == pytest.approx([mask.detector_score for mask in result])


def test_a_row_of_pandas_for_each_mask(results: dict[str, MaskSet], coffee_path: Path) -> None:
    result = results["some"]
    table = result.to_pandas()
    assert table.area.tolist() == [mask.area for mask in result]
    assert table.label.isna().tolist() == [False, True]
    assert (table[["x_min", "y_min", "x_max", "y_max"]].to_numpy() == result.boxes).all()
    assert np.array_equal(Mask.from_rle(table.rle[0]).array, result[0].array)
    assert Path(table.image[0]).name == coffee_path.name
    assert table.follows_prompt.all()
    empty = results["empty"].to_pandas()
    assert list(empty.dtypes) == list(table.dtypes) or len(empty) == 0
    both = to_pandas(result, results["empty"], result)
    pandas.testing.assert_frame_equal(both, pandas.concat([table, table], ignore_index=True))
    assert table.drop(columns="rle").to_csv(index=False).count("\n") == 3


def test_a_dataset_of_hugging_face_survives_parquet(
    results: dict[str, MaskSet], coffee: EncodedImage, tmp_path: Path
) -> None:
    to_dataset(results.values()).to_parquet(tmp_path / "masks.parquet")
    back = datasets.Dataset.from_parquet(str(tmp_path / "masks.parquet"), cache_dir=str(tmp_path / "cache"))
    assert back.features == features()
    assert len(back) == 4
    row = back[2]
    assert row["image"].size == (row["width"], row["height"]) == coffee.size
    assert [each["label"] for each in row["objects"]] == ["cup", "spoon"]
    for each, mask in zip(row["objects"], results["named"], strict=True):
        assert np.array_equal(Mask.from_rle(each["rle"]).array, mask.array)
        assert (each["area"], each["bbox"][:2]) == (mask.area, list(mask.box[:2]))
    assert back[3]["objects"] == []
