#!/usr/bin/env bash
# One model for all classes against one for the large classes and one for the small ones, each judged on its own classes
# and joined; an ensemble of seeds; and the recurrent tree of labels against its flat twin. Goes on where it stopped.
# WORK names the folder, COUNT, SIZE, EPOCHS and SEEDS the size.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/partition}
COUNT=${COUNT:-3000}
SIZE=${SIZE:-64}
EPOCHS=${EPOCHS:-12}
SEEDS=${SEEDS:-0 1 2}
CACHE=$WORK/cache
RUNS=$WORK/runs

made "$CACHE" "$WORK/images" "$WORK/labels.csv"
ALL=()
for SEED in $SEEDS; do
    OPTIONS=("${RESIDUAL[@]}" --seed "$SEED" --epochs "$EPOCHS")
    judge "$CACHE" "$RUNS/whole/$SEED" "${OPTIONS[@]}"
    ALL+=("$RUNS/whole/$SEED")
    judge "$CACHE" "$RUNS/large_classes/$SEED" "${OPTIONS[@]}" --classes large
    judge "$CACHE" "$RUNS/small_classes/$SEED" "${OPTIONS[@]}" --classes small
    [ -f "$RUNS/joined/$SEED/report/metrics.json" ] ||
        judged_into "$RUNS/joined/$SEED" "$RUNS/large_classes/$SEED" "$RUNS/small_classes/$SEED"
    TREE=("${OPTIONS[@]}" --model hierarchical --extractor residual --hierarchy data/hpa_hierarchy.csv)
    judge "$CACHE" "$RUNS/tree_recurrent/$SEED" "${TREE[@]}"
    judge "$CACHE" "$RUNS/tree_flat/$SEED" "${TREE[@]}" --head flat
done
[ -f "$RUNS/ensemble/all/report/metrics.json" ] || judged_into "$RUNS/ensemble/all" "${ALL[@]}"
python experiments/methods_table.py "$RUNS" model
