"""masks.json is what the interface promises, and loses nothing on the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from anymask.errors import AnymaskError, InputError
from anymask.formats import masks_json
from anymask.io.image import Image, open_image
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt_check import PromptCheck
from anymask.structures.provenance import Provenance


def content_of(result: MaskSet, tmp_path: Path) -> dict[str, Any]:
    (path,) = result.save(tmp_path / "out.json")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    content: dict[str, Any] = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    return content


def test_the_keys_and_types_are_those_of_the_interface(
    result: MaskSet, image_path: Path, image_sha256: str, tmp_path: Path
) -> None:
    content = content_of(result, tmp_path)
    assert content["image"] == {"path": str(image_path), "width": 50, "height": 40, "sha256": image_sha256}
    assert content["model"] == "mobile-sam"
    assert (content["engine"], content["precision"], content["version"]) == ("openvino", "bf16", "0.1.0")
    assert (content["device"], content["threads"]) == ("CPU", 2)
    assert content["seconds"] == {"load": 0.4, "encode": 0.2123}
    first, second = content["prompts"]
    assert first == {"points": [[25, 20], [2.5, 3]], "labels": [1, 0], "box": None, "text": None}
    assert second["points"] == second["labels"] == []
    assert second["box"] == [10, 5, 50, 30]
    assert len(second["notes"]) == 1


def test_each_mask_tells_what_is_known_of_it(result: MaskSet, tmp_path: Path) -> None:
    first, second = content_of(result, tmp_path)["masks"]
    assert {"prompt", "label", "score", "stability", "area", "box", "follows_prompt", "rle", "file"} <= first.keys()
    assert (first["prompt"], first["label"], first["score"]) == (0, None, 0.987123)
    assert (first["area"], first["box"]) == (result[0].area, result[0].box)
    assert first["follows_prompt"] is True
    assert np.array_equal(coco.decode(first["rle"]), result[0].array)
    assert (second["prompt"], second["label"], second["follows_prompt"]) == (1, "dög", False)
    assert second["prompt_check"] == {"points": [], "box_iou": 0.312346, "box_share": 1.0}
    assert second["edits"] == ["filled 1 hole, 3 px"]
    assert second["score"] is None
    assert second["stability"] is None


def test_a_prompt_that_promises_nothing_is_null(tmp_path: Path) -> None:
    image = open_image(np.zeros((4, 5, 3), np.uint8))
    content = content_of(
        MaskSet([Mask.from_array(np.ones((4, 5), bool))], image=image, provenance=Provenance("m", "e", "p")), tmp_path
    )
    assert content["masks"][0]["follows_prompt"] is None
    assert content["image"]["path"] is None
    assert content["image"]["sha256"] == image.pixel_hash


def test_everything_comes_back(result: MaskSet, tmp_path: Path) -> None:
    (path,) = result.save(tmp_path / "out.json")
    back = masks_json.read(path)
    assert [mask.rle for mask in back] == [mask.rle for mask in result]
    assert [mask.area for mask in back] == [mask.area for mask in result]
    assert not any(mask.is_rendered for mask in back)
    assert (back[1].label, back[1].prompt_index) == ("dög", 1)
    assert back[0].follows_prompt == PromptCheck((True, True))
    assert back[1].follows_prompt == PromptCheck((), 0.312346, 1.0)
    assert back[1].edits == result[1].edits
    assert [prompt.as_dict() for prompt in back.prompts] == [prompt.as_dict() for prompt in result.prompts]
    assert back.record == result.record
    assert (back.provenance.model, back.provenance.threads, back.size) == ("mobile-sam", 2, (50, 40))


def test_writing_what_was_read_gives_the_same_file(result: MaskSet, tmp_path: Path) -> None:
    (first,) = result.save(tmp_path / "first.json")
    (second,) = masks_json.read(first).save(tmp_path / "second.json")
    assert first.read_bytes() == second.read_bytes()


def test_with_its_image_a_file_can_be_drawn(result: MaskSet, image_path: Path, tmp_path: Path) -> None:
    (path,) = result.save(tmp_path / "out.json")
    assert masks_json.read(path, open_image(image_path)).draw().size == (50, 40)
    with pytest.raises(InputError, match="without their image"):
        masks_json.read(path).draw()
    other = Image(pixels=np.zeros((40, 51, 3), np.uint8), stored_size=(51, 40))
    with pytest.raises(InputError, match=r"\(51, 40\)"):
        masks_json.read(path, other)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"image": {}}', '{"image": {"width": 5, "height": 5}, "masks": [{"rle": 3}]}',
     '{"image": {"width": 5, "height": 5}, "masks": [{"rle": {"size": [5, 6], "counts": "n0"}}]}',
     '{"image": {"width": 5, "height": 5}, "masks": 3}', "\x00\x01"],
)  # fmt: skip
def test_damaged_files_are_refused_in_one_line_that_names_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "damaged.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"damaged\.json") as caught:
        masks_json.read(path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json"):
        masks_json.read(tmp_path / "nowhere.json")


def test_a_failed_write_leaves_the_file_that_was_there(result: MaskSet, tmp_path: Path) -> None:
    import resource

    (path,) = result.save(tmp_path / "out.json")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(AnymaskError, match=r"cannot write .*out\.json: file too large"):
            result[:1].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a photo é.png", "out.json"]
