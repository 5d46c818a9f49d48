#!/usr/bin/env bash
# Each method of augmentation on made images with the challenge's label rows: the same network, loss and number of steps,
# over seeds; thresholds tuned on val, judged on test. Goes on where it stopped. WORK names the folder, CELL_DATA that of
# the real sets; COUNT, SIZE, STEPS, EPOCHS and SEEDS the size.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/augmentation}
COUNT=${COUNT:-6000}
SIZE=${SIZE:-64}
STEPS=${STEPS:-100}      # between validations
EPOCHS=${EPOCHS:-12}
SEEDS=${SEEDS:-0 1 2}
CACHE=$WORK/cache

made "$CACHE" "$WORK/images" "$WORK/labels.csv" --label_rows "$CELL_DATA/hpa/train.csv"
for METHOD in rotate_all rotate_rare mixup_rare balance; do
    [ -d "$CACHE/augmented/$METHOD" ] || python augment.py --cache_dir "$CACHE" --method "$METHOD" --rare_below 50
done

run() {  # name, options
    judge "$CACHE" "$WORK/runs/$1/$SEED" --loss bce --seed "$SEED" --steps_per_epoch "$STEPS" --epochs "$EPOCHS" "${@:2}"
}
for SEED in $SEEDS; do
    run none --operations
    for METHOD in rotate_all rotate_rare mixup_rare balance; do
        run "$METHOD" --operations --augmented "$METHOD"
    done
    run turned
    run turned_balance --augmented balance
    run turned_rotate_rare --augmented rotate_rare
    run turned_sampled --sampling balance
    run turned_repeat_factors --sampling repeat_factors
    run turned_mixup --mixing mixup
    run rotated --operations quarter_turns flips rotation
    run turned_repeat_factors_balance --sampling repeat_factors --augmented balance
done
python experiments/methods_table.py "$WORK/runs" method mAP macro-F1 "subset accuracy" \
    "F1 large" "F1 medium" "F1 small" minutes
