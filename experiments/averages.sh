#!/usr/bin/env bash
# Averages of the weights (--ema) on two real sets, with the header's schedule and with a constant rate. Thresholds are
# tuned on val, and test is scored. Goes on where it stopped. WORK names the folder, CELL_DATA that of the real sets.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/averages}
SIZE=${SIZE:-64}
EPOCHS=${EPOCHS:-20}
SEEDS=${SEEDS:-0 1 2}
DECAYS=${DECAYS:-0 0.99 0.999}
SCHEDULES=${SCHEDULES:-one_cycle constant}
USUAL=  # the header's recipe

WBC=$CELL_DATA/wbcatt
RBC=$CELL_DATA/chula_rbc12
prepared "$WORK/wbc_cache" "$WBC/images" "$WBC/labels_longtail.csv" "$WBC/classes.txt" --on_leak warn  # 2 pairs of 3,000 images
prepared "$WORK/rbc_cache" "$RBC/images" "$RBC/labels.csv" "$RBC/classes.txt"
for SEED in $SEEDS; do
    for NAME in wbc rbc; do
        for SCHEDULE in $SCHEDULES; do
            for DECAY in $DECAYS; do
                judge "$WORK/${NAME}_cache" "$WORK/$NAME/$SCHEDULE-ema-$DECAY/$SEED" --seed "$SEED" \
                    --epochs "$EPOCHS" --schedule "$SCHEDULE" --ema "$DECAY"
            done
        done
    done
done
for NAME in wbc rbc; do
    python experiments/methods_table.py "$WORK/$NAME" recipe mAP macro-F1 "subset accuracy" "macro-F1 at 0.5" minutes
done
