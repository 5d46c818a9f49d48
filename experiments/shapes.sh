#!/usr/bin/env bash
# Images of several sizes: stretched to squares of each size, or in shapes of their own aspect ratio; with the mean and
# maximum over places, or a pyramid; trained and scored at several scales and views. Goes on where it stopped. WORK names
# the folder; COUNT, SIZES, SIZE, EPOCHS and SEEDS the size.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/shapes}
COUNT=${COUNT:-3000}
SIZES=${SIZES:-32 64 96 128}
SIZE=${SIZE:-64}
EPOCHS=${EPOCHS:-12}
SEEDS=${SEEDS:-0 1 2}
RUNS=$WORK/runs
USUAL_SIZE=$SIZE
ROWS=$CELL_DATA/hpa/train.csv

SIZE=$(printf "%s\n" $SIZES | sort -n | tail -1)
made "$WORK/cache-$SIZE" "$WORK/images" "$WORK/labels.csv" --label_rows "$ROWS"
for SIZE in $SIZES; do
    prepared "$WORK/cache-$SIZE" "$WORK/images" "$WORK/labels.csv" "$WORK/classes.txt"
done
SIZE=$USUAL_SIZE
prepared "$WORK/shapes" "$WORK/images" "$WORK/labels.csv" "$WORK/classes.txt" --resize bucket
STRETCHED=$WORK/cache-$SIZE

for SEED in $SEEDS; do
    OPTIONS=("${RESIDUAL[@]}" --seed "$SEED" --epochs "$EPOCHS")
    for EDGE in $SIZES; do
        judge "$WORK/cache-$EDGE" "$RUNS/stretched_$EDGE/$SEED" "${OPTIONS[@]}"
        judge "$WORK/cache-$EDGE" "$RUNS/cnn_$EDGE/$SEED" --loss bce --seed "$SEED" --epochs "$EPOCHS"
    done
    judge "$WORK/shapes" "$RUNS/shapes/$SEED" "${OPTIONS[@]}"
    judge "$WORK/shapes" "$RUNS/shapes_pyramid/$SEED" "${OPTIONS[@]}" --pyramid_levels 1 2 4
    judge "$STRETCHED" "$RUNS/pyramid/$SEED" "${OPTIONS[@]}" --pyramid_levels 1 2 4
    judge "$STRETCHED" "$RUNS/scales/$SEED" "${OPTIONS[@]}" --train_scales 1 0.75
    judge "$STRETCHED" "$RUNS/scales_scored/$SEED" "${OPTIONS[@]}" --train_scales 1 0.75 --score_scales 1 0.75
    judge "$STRETCHED" "$RUNS/views/$SEED" "${OPTIONS[@]}" --score_views dihedral
    judge "$STRETCHED" "$RUNS/crops/$SEED" "${OPTIONS[@]}" --score_views crops
done
python experiments/methods_table.py "$RUNS" method mAP macro-F1 "subset accuracy" \
    "F1 large" "F1 medium" "F1 small" minutes
