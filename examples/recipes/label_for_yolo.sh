#!/bin/sh
# Label a folder of photos by words, and make a dataset to train a YOLO segmentation model on.
#
#     sh label_for_yolo.sh PHOTOS DATASET "cup, cat, orange"
#
# Stopped halfway, the same command goes on where it was. Look at the masks before you train:
#     anymask draw DATASET/masks/results/*.json --out sheet.jpg
set -eu

if [ $# -ne 3 ]; then
    echo "usage: sh label_for_yolo.sh PHOTOS DATASET \"word, word\"" >&2
    exit 2
fi
photos=$1 dataset=$2 words=$3

if [ -e "$dataset/yolo" ]; then
    echo "label_for_yolo: $dataset/yolo is there already; move it away to make it anew" >&2
    exit 2
fi
rm -rf "$dataset/yolo.part" # of a run that was stopped

# One masks.json per photo, with exact masks. A photo without any of these things gets an empty one: a background photo.
anymask batch "$photos" --out "$dataset/masks" --text "$words" --detector coco-ssd

# Polygons that leave the pixels by half a pixel at most. Had a mask lost more than 2 % of its shape, this would stop.
anymask convert "$dataset/masks" --to yolo --out "$dataset/yolo.part" --tolerance 0.5 --min-iou 0.98

# YOLO looks for images/ beside labels/, under the same names.
mkdir "$dataset/yolo.part/images"
cp -R "$photos/." "$dataset/yolo.part/images"
mv "$dataset/yolo.part" "$dataset/yolo"
echo "done; to train: yolo segment train data=$dataset/yolo/data.yaml model=YOUR_MODEL-seg.pt"
