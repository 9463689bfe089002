#!/bin/sh
# Label the objects of a folder of images by text, and make a dataset to train a YOLO segmentation model on.
#
#     sh label_for_yolo.sh IMAGES DATASET "cup, cat, orange"
#
# If it is interrupted, the same command continues. Look at the masks before you train:
#     anymask draw DATASET/masks/results/*.json --out sheet.jpg
set -eu

if [ $# -ne 3 ]; then
    echo "usage: sh label_for_yolo.sh IMAGES DATASET \"label, label\"" >&2
    exit 2
fi
images=$1 dataset=$2 text=$3

if [ -e "$dataset/yolo" ]; then
    echo "label_for_yolo: $dataset/yolo already exists; move it away to make it again" >&2
    exit 2
fi
rm -rf "$dataset/yolo.part" # of an interrupted run

# One masks.json per image, with exact masks. An image without any of these objects gets an empty one: a background image.
anymask batch "$images" --out "$dataset/masks" --text "$text" --detector coco-ssd

# Polygons that leave the pixels by half a pixel at most. This fails if the IoU of a mask falls below 0.98.
anymask convert "$dataset/masks" --to yolo --out "$dataset/yolo.part" --tolerance 0.5 --min-iou 0.98

# YOLO looks for images/ beside labels/, under the same names.
mkdir "$dataset/yolo.part/images"
cp -R "$images/." "$dataset/yolo.part/images"
mv "$dataset/yolo.part" "$dataset/yolo"
echo "done; to train: yolo segment train data=$dataset/yolo/data.yaml model=YOUR_MODEL-seg.pt"
