"""Write the inputs that fuzzing starts from, with our own writers: python -m tests.fuzz.make_seeds.

They lie in corpus/TARGET/seed-*; what fuzzing found lies beside them as corpus/TARGET/found-* and is left alone.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import tifffile

import anymask
from anymask.structures.mask import Mask
from anymask.structures.mask_set import MaskSet
from anymask.structures.prompt import make_prompts
from anymask.structures.prompt_check import PromptCheck
from tests.fuzz.fuzz_targets import packed
from tests.support.checkpoint_files import as_bfloat16, tensor, write_checkpoint, write_state_dict
from tests.support.images import corners, encoded

CORPUS = Path(__file__).parent / "corpus"


def result() -> MaskSet:
    """Two masks on an image of 24×17: a ring, and two parts of a thing with a name."""
    y, x = np.ogrid[:17, :24]
    distance = (x - 9) ** 2 + (y - 8) ** 2
    ring = (distance < 45) & (distance > 9)
    parts = np.zeros((17, 24), bool)
    parts[2:5, 18:22] = parts[10:15, 19:23] = True
    masks = [
        Mask.from_array(ring, score=0.98, stability=0.9, follows_prompt=PromptCheck((True,))),
        Mask.from_array(parts, score=0.5, label="dög", prompt_index=1, follows_prompt=PromptCheck((), 0.3, 1.0)),
    ]
    prompts = [*make_prompts((24, 17), points=[(9, 3)]), *make_prompts((24, 17), box=[17, 1, 24, 16])]
    image = anymask.open_image(np.zeros((17, 24, 3), np.uint8))
    return MaskSet(masks, image=image, prompts=prompts)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, software="", **options)
    return file.getvalue()


def tiffs() -> dict[str, bytes]:
    """TIFF files that tifffile reads rather than Pillow."""
    deep = (np.arange(5 * 24 * 16).reshape(16, 24, 5) * 30).astype(np.uint16)
    planes, holes = np.moveaxis(deep[:, :, :3], -1, 0), deep[:, :, 0].astype(np.float32)
    holes[:4], many = np.nan, {"photometric": "minisblack", "planarconfig": "contig"}
    nodata = [(42113, "s", 0, "0", True)]
    return {
        "tiff-planes": tiff(planes, photometric="rgb", planarconfig="separate", compression="zlib", rowsperstrip=5),
        "tiff-bands": tiff(deep.astype(np.float64), tile=(16, 16), compression="zlib", **many),
        "tiff-alpha": tiff(deep[:, :, :4], photometric="rgb", extrasamples=["assocalpha"]),
        "tiff-inks": tiff(deep[:, :, :4], photometric="separated"),
        "tiff-holes": tiff(holes, byteorder=">", extratags=nodata),
        "tiff-pages": tiff(np.stack([deep[:, :, 0]] * 3), photometric="minisblack", bigtiff=True),
    }


def mask_images() -> dict[str, bytes]:
    """Masks as tools write them."""
    inside = np.arange(24 * 16).reshape(16, 24) // 40 % 2
    hole = np.dstack([np.full((16, 24, 3), 255), np.where(np.arange(24) % 23 > 2, 0, 255) * np.ones((16, 1))])
    soft = np.linspace(0, 255, 24).astype(np.uint8)[None].repeat(16, 0)
    palette = PIL.Image.fromarray(inside.astype(np.uint8))
    palette.putpalette([0, 0, 0, 128, 0, 0])
    return {
        "zero-one": encoded(PIL.Image.fromarray(inside.astype(np.uint8)), "PNG"),
        "hole": encoded(PIL.Image.fromarray(hole.astype(np.uint8)), "PNG"),
        "soft": encoded(PIL.Image.fromarray(np.hstack([soft, soft // 255 * 255])), "PNG"),
        "palette": encoded(palette, "PNG"),
        "red": encoded(PIL.Image.fromarray((inside[:, :, None] * [200, 0, 0]).astype(np.uint8)), "BMP"),
        "booleans": tiff(inside.astype(bool)),
        "wide": tiff(inside.astype(np.uint64), compression="zlib"),
    }


def images() -> dict[str, bytes]:
    """One small image of each kind."""
    colour = corners(24, 16)
    turned = PIL.Image.Exif()
    turned[0x0112] = 6
    deep = PIL.Image.fromarray((np.arange(24 * 16).reshape(16, 24) * 100).astype(np.uint16))
    clear = colour.convert("RGBA")
    clear.putalpha(PIL.Image.fromarray((np.arange(24 * 16).reshape(16, 24) % 256).astype(np.uint8)))
    return {
        "jpeg": encoded(colour, "JPEG", quality=30),
        "jpeg-turned": encoded(colour, "JPEG", quality=30, exif=turned, progressive=True),
        "jpeg-cmyk": encoded(colour.convert("CMYK"), "JPEG", quality=30),
        "png": encoded(colour, "PNG"),
        "png-16-bit": encoded(deep, "PNG"),
        "png-palette": encoded(colour.quantize(8), "PNG", transparency=2),
        "png-alpha": encoded(clear, "PNG"),
        "gif": encoded(colour, "GIF", save_all=True, append_images=[colour.rotate(180)]),
        "bmp": encoded(colour.quantize(8), "BMP"),
        "ppm": b"P3 3 2 65535\n" + b" ".join(str(n * 3000).encode() for n in range(18)),
        "tiff": encoded(colour, "TIFF", compression="tiff_lzw"),
        "tiff-float": encoded(PIL.Image.fromarray(np.linspace(0, 1, 384, dtype=np.float32).reshape(16, 24)), "TIFF"),
        **tiffs(),
        "jpeg-without-end": encoded(colour, "JPEG", quality=30)[:-2],
        "webp": encoded(colour, "WEBP", quality=30),
        "jpeg2000": encoded(colour, "JPEG2000"),
        "avif": encoded(colour, "AVIF", quality=30),
    }


def requests() -> dict[str, dict[str, bytes]]:
    """Prompts and steps."""
    prompts = [
        {"points": [[350, 450], [400, 220.5]], "labels": [1, 0]},
        {"box": [60, 90, 300, 400], "points": [[100, 100]], "box_format": "xyxy", "coordinates": "pixels"},
        {"boxes": [[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.3, 0.3]], "coordinates": "normalized", "box_format": "cxcywh"},
        {"points": [[[10, 20]], [[30, 40], [50, 60]]], "labels": [[1], [1, 0]], "outside": "allow"},
        {"points": [[1, 2], [3, 4]], "each": True, "text": "a dog"},
        {"mask_input": [[0, 1], [1, 0]], "points": [[1, 1]]},
    ]
    steps = [
        [{"point": [30, 20]}, {"point": [5, 5], "include": False}, {"clean": {"holes": 9, "islands": 5}}],
        [{"box": [1, 2, 30, 40], "candidate": 2}],
        {"objects": [{"steps": [{"mask": {"size": [48, 64], "counts": [10, 20, 3042]}},
                                {"brush": [[3, 4], [20, 9]], "size": 5}, {"erase": [[6, 5]], "size": 3}],
                      "name": "cup"}]},
    ]  # fmt: skip
    words = ["point 350,450", "box 5%,5%,50%,100%", "dog, red car", "point 1e3,-2"]
    return {
        "prompts": {str(n): json.dumps(each).encode() for n, each in enumerate(prompts)},
        "steps": {str(n): json.dumps(each).encode() for n, each in enumerate(steps)},
        "prompt-words": {"0": "\n".join(words).encode()},
        "prompt-files": {
            "csv": b"image,object,x,y,label,x_min,y_min,x_max,y_max,name\n"
            b"a.jpg,1,10,20,1,,,,,cup\na.jpg,1,3,4,0,1,2,30,40,\n",
            "excel": "sep=;\r\nimage;xmin;ymin;xmax;ymax;label\r\na\\b.jpg;1,5;2;30;2;cup\r\nc.jpg;1;2;3;4;é"
            .encode("utf-16"),
            "coco": json.dumps({
                "images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 3, "name": "cup"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 30, 40]},
                                {"id": 2, "image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1}]}).encode(),
        },
        "server": {
            "segment": b'segment\n{"prompts": [{"points": [[110, 300]], "labels": [1]}]}',
            "segment-box": b'segment\n{"prompts": [{"box": [170, 14, 412, 264], "label": "cup"}], "candidates": true, '
            b'"format": "polygons", "select": "part", "refine": "off", "max_hole_area": 9, "max_island_area": 9}',
            "segment-mask": b'segment\n{"prompts": [{"points": [[0.5, 0.5]], "mask": {"size": [400, 600], "counts": '
            b'"TW^2d0l;00000lbj4"}}], "coordinates": "normalized", "format": "png", "store": false}',
            "everything": b'everything\n{"sampling": "grid", "points_per_side": 2, "max_seconds": 0.01, "tile": 256, '
            b'"roi": [1, 2, 300, 200], "min_area": 3, "max_area": 9999}',
            "cutout": b'cutout\n{"masks": [{"rle": {"size": [400, 600], "counts": "TW^2d0l;00000lbj4"}}], '
            b'"edges": "hard", "crop": true, "margin": 9, "background": [1, 2, 3], "shadow": true, "outline": 3}',
            "export": b'export\n{"format": "coco", "name": "photo.jpg", "masks": [{"rle": {"size": [400, 600], '
            b'"counts": "TW^2d0l;00000lbj4"}, "label": "cup", "score": 0.5}]}',
            "state": b'state\n{"objects": [{"name": "cup", "steps": []}]}',
            "upload": b"upload multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name=file; "
            b"filename=a.png\r\n\r\n" + images()["png"] + b"\r\n--x--\r\n",
        },
    }  # fmt: skip


def masks_in(folder: Path) -> dict[str, dict[str, bytes]]:
    """The result in every format."""
    masks = result()
    files: dict[str, dict[str, bytes]] = {}
    ways = {
        **{name: {"0": {}} for name in ("masks-json", "sa1b", "csv", "geojson", "cvat", "label-map")},
        "coco": {"rle": {}, "polygons": {"polygons": True}}, "labelme": {"polygons": {}, "masks": {"shapes": "mask"}},
        "label-studio": {"brushes": {}, "polygons": {"polygons": True, "predictions": True}},
    }  # fmt: skip
    for format, options in ways.items():
        for name, given in options.items():
            path = folder / f"{format}-{name}.file"
            masks.save(path, format, **given)
            files.setdefault(format, {})[name] = path.read_bytes()
    masks[:1].save(folder / "one.png", "png")
    files["png"] = {"0": (folder / "one.png").read_bytes()}
    files["geojson-of-others"] = {"0": json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"label": "cup"}, "geometry": {"type": "MultiPolygon", "coordinates":
         [[[[1, 1], [9, 1], [9, 9], [1, 1]]]]}}, {"type": "Feature", "geometry": None}]}).encode()}  # fmt: skip
    files["cvat"]["shapes"] = (
        b'<annotations><image id="0" name="a.jpg" width="24" height="17"><polygon label="cup" points="1,1;9,1;9,9"/>'
        b'<box label="x" xtl="1" ytl="2" xbr="8.5" ybr="9"/><tag label="t"/>'
        b'<ellipse label="e" cx="9" cy="8" rx="5" ry="3" rotation="30"/>'
        b'<box label="r" xtl="1" ytl="2" xbr="8" ybr="9" rotation="30" z_order="2" group_id="1"/>'
        b"</image></annotations>"
    )
    files["cvat"]["tracks"] = (
        b"<annotations><meta><task><original_size><width>24</width><height>17</height></original_size></task></meta>"
        b'<track id="0" label="a"><polygon frame="3" outside="0" occluded="1" points="1,1;9,1;9,9">'
        b'<attribute name="b">c</attribute></polygon></track></annotations>'
    )
    runs = {"size": [17, 24], "counts": [9, 20, 379]}
    files["coco"]["results"] = json.dumps([
        {"image_id": 3, "category_id": 1, "score": 0.5, "segmentation": runs}, {"image_id": 3, "bbox": [1, 2, 3, 4]}
    ]).encode()  # fmt: skip
    files["coco"]["of-tools"] = json.dumps({
        "info": {}, "categories": [{"id": 1, "name": "cup"}],
        "images": [{"id": "1", "file_name": "https://x.org/a.jpg", "width": 24, "height": 17, "license": 2}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": "1", "segmentation": [[1, 1, 9, 1.5, 9, 9], [2, 2, 3, 3]],
             "iscrowd": 1, "attributes": {"occluded": True, "z_order": 1, "a": "b"}, "keypoints": [1, 2, 2]},
            {"id": 2, "image_id": 1, "segmentation": [], "bbox": [1, 2, 3, 4.5]},
            {"id": 3, "image_id": 1, "segmentation": [[1, 2, 3, 4]]}]}).encode()  # fmt: skip
    files["labelme"]["shapes"] = json.dumps({"imageWidth": 24, "imageHeight": 17, "imagePath": "a.jpg", "shapes": [
        {"label": "a", "shape_type": "circle", "points": [[9, 8], [12, 8]], "group_id": 1},
        {"label": "a", "shape_type": "rectangle", "points": [[1, 2], [9, 8]], "group_id": 1}]}).encode()  # fmt: skip
    value = {
        "x": 10,
        "y": 20,
        "width": 50,
        "height": 30.5,
        "rotation": 20,
        "radiusX": 9,
        "radiusY": 5,
        "labels": ["cup"],
    }
    regions = [
        {"id": "a", "type": kind, "from_name": "b", "item_index": 0, "original_width": 24, "original_height": 17,
         "value": value} for kind in ("labels", "rectangle", "ellipselabels")
    ]  # fmt: skip
    data = {"image": ["/data/local-files/?d=b/a.jpg"]}
    files["label-studio"]["shapes"] = json.dumps([{"data": data, "annotations": [{"result": regions}]}]).encode()
    bitmask = f"data:image/png;base64,{base64.b64encode(files['png']['0']).decode()}"
    sizes = {"original_width": 24, "original_height": 17}
    short = {"image": "a.jpg", "tool": [{"imageDataURL": bitmask, "bitmasklabels": ["cup"], **sizes},
                                        {"x": 10, "y": 20, "width": 50, "height": 30.5, **sizes}]}  # fmt: skip
    files["label-studio"]["short"] = json.dumps([short]).encode()
    files["folders"] = {}
    for format in ("yolo", "voc", "folder"):
        place = folder / format
        if format == "folder":
            masks.save(place, "folder")
        else:
            masks.save(place, format)
        inside = sorted(path for path in place.rglob("*") if path.is_file() and path.name != "overlay.png")
        files["folders"][format] = packed({str(path.relative_to(place)): path.read_bytes() for path in inside})
    image, lines = (
        encoded(corners(24, 17), "PNG"),
        b"\xef\xbb\xbf1.0 0.1 0.1 0.9 0.1 0.9 0.9 0.5\r\n0 0.5 0.5 0.2 0.2\r\n",
    )
    files["folders"]["roboflow"] = packed({
        "data.yaml": b"train: ../train/images\nval: [../valid/images, list.txt]\nnc: 2\nnames: [cup, plate]\n",
        "train/images/a.png": image, "train/labels/a.txt": lines, "valid/images/b.PNG": image,
        "list.txt": b"./train/images/a.png\r\n",
    })  # fmt: skip
    files["folders"]["label-studio"] = packed({
        "classes.txt": b"cup\nplate",
        "notes.json": b'{"categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}]}',
        "images/a.png": image, "labels/a.txt": lines,
    })  # fmt: skip
    xml = b"""<annotation><filename>a.png</filename><size><width>24</width><height>17</height></size>
<object><name>c</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"""
    files["folders"]["voc-boxes"] = packed({"Annotations/a.xml": xml, "more/b.xml": xml, "more/a.png": image})
    files["folders"]["darknet"] = packed({
        "obj.names": b"a\nb\n", "obj_train_data/a.png": image, "obj_train_data/a.txt": lines,
        "obj_valid_data/b.txt": lines, "train.txt": b"data/obj_train_data/a.png\n",
    })  # fmt: skip
    numbers = [{"image_id": "1", "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1}, {"id": 255}]}]
    panoptic = {"images": [{"id": 1, "file_name": "a.jpg", "width": 24, "height": 17}], "annotations": numbers}
    tracks = files["cvat"]["tracks"].replace(b"<original_size>", b"<other>").replace(b"</original_size>", b"</other>")
    files["folders"]["panoptic"] = packed({
        "train/p.json": json.dumps(panoptic).encode(), "train/p/a.png": files["png"]["0"],
        "valid/p.json": json.dumps({**panoptic, "annotations": []}).encode(), "v/annotations.xml": tracks,
        "v/images/frame_000003.PNG": image,
    })  # fmt: skip
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in (("x/coco.json", files["coco"]["rle"]), ("x/../../b.xml", files["cvat"]["0"])):
            writer.writestr(zipfile.ZipInfo(name), content)
    files["archive"] = {"0": archive.getvalue()}
    files["folders"]["mixed"] = packed({
        "a/one.json": files["masks-json"]["0"], "b.csv": files["csv"]["0"], "c/mask_000.png": files["png"]["0"],
        "d.png": files["label-map"]["0"], "e.xml": files["cvat"]["0"],
    })  # fmt: skip
    return files


def weights(folder: Path) -> dict[str, dict[str, bytes]]:
    """Small checkpoints."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.numpy import save

    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4, dtype=np.float16)
    write_state_dict(folder / "a.pth", {"image_encoder.a": a, "b": b})
    write_checkpoint(folder / "b.pth", {"model": {"a": tensor(as_bfloat16(a))}, "epoch": 3})
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_1"], ["y"], name="/transformer/layers.0/lin/MatMul"),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(a[None])),
        helper.make_node("Add", ["y", "c"], ["z"], name="/layers.1/attn/Add"),
        helper.make_node("Expand", ["onnx::Expand_2", "x"], ["e"], name="/Expand"),
    ]
    tensors = [numpy_helper.from_array(a, "onnx::MatMul_1"), numpy_helper.from_array(a[None], "onnx::Expand_2"),
               numpy_helper.from_array(b, "model.image_encoder.b")]  # fmt: skip
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    graph = helper.make_graph(nodes, "g", [value], [value], tensors)
    saved = io.BytesIO()
    onnx.save(helper.make_model(graph), saved)
    catalogue = (
        b'[models.mine]\nfamily = "sam"\nfiles = [{name = "a.pth", sha256 = "' + b"0" * 64 + b'", size = 3}]\n'
        b'licence = {weights = "MIT"}\nsources = [{kind = "https", files = {"a.pth" = "https://localhost/a.pth"}}, '
        b'{kind = "npm", package = "a@1.0", files = {"a.pth" = "b/c"}}]\n'
    )
    return {
        "pth": {"state-dict": (folder / "a.pth").read_bytes(), "nested": (folder / "b.pth").read_bytes()},
        "safetensors": {"0": save({"image_encoder.a": a, "b": b}, {"format": "np"})},
        "onnx": {"0": saved.getvalue()},
        "catalogue": {"0": catalogue},
    }


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        seeds = {
            "picture": images(),
            "mask-image": mask_images(),
            **requests(),
            **masks_in(Path(name)),
            **weights(Path(name)),
        }
    deep = ("png-16-bit", "tiff-float", "ppm", "png-alpha", *tiffs())
    seeds["picture-window"] = {name: seeds["picture"][name] for name in deep}
    for target, inputs in seeds.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("seed-*"):
            path.unlink()
        for name, data in inputs.items():
            (folder / f"seed-{name}").write_bytes(data)
    print(f"{sum(map(len, seeds.values()))} inputs for {len(seeds)} targets in {CORPUS}")


if __name__ == "__main__":
    main()
