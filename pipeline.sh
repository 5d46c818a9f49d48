#!/usr/bin/env bash
# All scripts in sequence, from labelled images to a report and to predictions for new images. Edit the next lines, or
# set them from the shell:
#   IMAGE_DIR=my_images LABELS_CSV=my_labels.csv NEW_IMAGES=new_images bash pipeline.sh
# Every hyperparameter that is not here stands in the header of its script.
set -euo pipefail

IMAGE_DIR=${IMAGE_DIR:-images}
LABELS_CSV=${LABELS_CSV:-labels.csv}
CLASSES_FILE=${CLASSES_FILE:-}           # a class name a line; empty: classes.txt beside LABELS_CSV, where there is one
CACHE_DIR=${CACHE_DIR:-cache/cells-128}
RUN_DIR=${RUN_DIR:-runs/cells}
NEW_IMAGES=${NEW_IMAGES:-}               # a folder of images to predict, into RUN_DIR/predictions.csv; empty: none
SIZE=${SIZE:-128}
EPOCHS=${EPOCHS:-30}

cd "$(dirname "$0")"
BESIDE=$(dirname "$LABELS_CSV")/classes.txt
[ -n "$CLASSES_FILE" ] || [ ! -f "$BESIDE" ] || CLASSES_FILE=$BESIDE
python preprocess.py --image_dir "$IMAGE_DIR" --labels_csv "$LABELS_CSV" ${CLASSES_FILE:+--classes_file "$CLASSES_FILE"} \
    --cache_dir "$CACHE_DIR" --size "$SIZE"
python train.py --cache_dir "$CACHE_DIR" --run_dir "$RUN_DIR" --epochs "$EPOCHS"
python thresholds.py --run_dirs "$RUN_DIR"
python evaluate.py --run_dirs "$RUN_DIR"
if [ -n "$NEW_IMAGES" ]; then
    python predict.py --run_dirs "$RUN_DIR" --image_dir "$NEW_IMAGES"
fi
