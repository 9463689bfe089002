"""Pascal VOC datasets as VOC itself, CVAT and datumaro have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from anymask.formats.datasets import read_dataset, write_dataset
from anymask.formats.helpers.voc_reading import voc_palette
from anymask.formats.skipped import collect_skipped

XML = """<annotation><filename>{name}.jpg</filename><size><width>60</width><height>40</height><depth>3</depth></size>
<object><name>person</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>6</xmin><ymin>6</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object>
<object><name>horse</name><bndbox><xmin>24.5</xmin><ymin>6</ymin><xmax>50</xmax><ymax>30</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>35</ymin><xmax>9</xmax><ymax>40</ymax></bndbox></object></annotation>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two objects with borders of 255 and one with a box alone, as VOC 2012 has them; and an image with boxes alone."""
    for name in ("SegmentationObject", "SegmentationClass", "Annotations", "JPEGImages", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    objects = PIL.Image.new("P", (60, 40))
    objects.putpalette(voc_palette().tobytes())
    classes = objects.copy()
    for number, box in ((1, (5, 5, 19, 29)), (2, (23, 5, 49, 29))):
        PIL.ImageDraw.Draw(objects).rectangle(box, fill=number, outline=255)
        PIL.ImageDraw.Draw(classes).rectangle(box, fill=15 - number, outline=255)
    objects.save(tmp_path / "SegmentationObject" / "2007_1.png")
    classes.save(tmp_path / "SegmentationClass" / "2007_1.png")
    (tmp_path / "Annotations" / "2007_1.xml").write_text(XML.format(name="2007_1"))
    (tmp_path / "Annotations" / "2008_2.xml").write_text(XML.format(name="2008_2"))
    (tmp_path / "ImageSets" / "Segmentation" / "train.txt").write_text("2007_1\n")
    return tmp_path


def test_borders_of_255_belong_to_no_object_and_boxes_alone_stay_boxes(folder: Path) -> None:
    first, second = read_dataset(folder)
    assert [(mask.label, mask.area, mask.box) for mask in first] == [
        ("person", 13 * 23, [6, 6, 19, 29]), ("horse", 25 * 23, [24, 6, 49, 29])
    ]  # fmt: skip
    assert first[0].annotation.attributes == {"pose": "Left", "truncated": "1"}
    assert [(box.label, box.box) for box in first.box_annotations] == [("dog", (0, 34, 9, 40))]
    assert (second.record.path, len(second)) == ("2008_2.jpg", 0)
    assert [box.label for box in second.box_annotations] == ["person", "horse", "dog"]


def test_voc_to_voc_keeps_boxes_and_attributes(folder: Path, tmp_path: Path) -> None:
    write_dataset(read_dataset(folder), tmp_path / "out", "voc")
    before, after = list(read_dataset(folder)), list(read_dataset(tmp_path / "out"))
    for ours, theirs in zip(before, after, strict=True):
        assert [mask.rle for mask in ours] == [mask.rle for mask in theirs]
        assert [mask.annotation for mask in ours] == [mask.annotation for mask in theirs]
        assert ours.box_annotations == theirs.box_annotations


def test_colours_without_a_palette_and_names_by_class_are_read(folder: Path) -> None:
    """As `Segmentation mask 1.1` of CVAT has them: colours, `labelmap.txt`, and no XML."""
    for name in ("SegmentationObject", "SegmentationClass"):
        file = folder / name / "2007_1.png"
        PIL.Image.open(file).convert("RGB").save(file)
    for file in (folder / "Annotations").iterdir():
        file.unlink()
    colours = voc_palette().tolist()
    lines = [f"{name}:{','.join(map(str, colours[kind]))}::" for name, kind in (("rider", 14), ("steed", 13))]
    (folder / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", "background:0,0,0::", *lines]))
    (found,) = read_dataset(folder)
    assert [(mask.label, mask.area) for mask in found] == [("rider", 13 * 23), ("steed", 25 * 23)]


def test_a_broken_image_costs_no_other(folder: Path) -> None:
    PIL.Image.fromarray(np.full((40, 60, 3), 77, np.uint8)).save(folder / "SegmentationObject" / "2009.png")
    (folder / "SegmentationObject" / "2010.png").write_bytes(b"none")
    (folder / "Annotations" / "2011.xml").write_text("<annotation><filename>")
    (folder / "Annotations" / "2012.xml").write_text(XML.format(name="2012").replace("<xmax>9</xmax>", "<xmax/>"))
    with collect_skipped() as skipped:
        found = list(read_dataset(folder))
    assert [str(each.record.path) for each in found] == ["2007_1.jpg", "2008_2.jpg", "2012.jpg"]
    assert skipped.counts == {"broken image": 3, "broken box": 1}
