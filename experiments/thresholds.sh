#!/usr/bin/env bash
# What each way to choose thresholds is worth on images that chose nothing: over the runs of one loss that
# experiments/losses.sh trained, the same scores each time. Goes on where it stopped. WORK names the folder of
# losses.sh, LOSS the loss, SETS the sets.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/losses}
LOSS=${LOSS:-bce}
SETS=${SETS:-made rbc}

decide() {  # name, options of thresholds.py
    local name=$1 run to
    shift
    for run in "$WORK/$SET/$LOSS"/*/; do
        run=${run%/}
        to=$WORK/thresholds/$SET/$name/$(basename "$run")
        [ -f "$to/report/metrics.json" ] && continue
        echo "== $to"
        python thresholds.py --run_dirs "$run" --output_dir "$to" "$@" > /dev/null
        python evaluate.py --run_dirs "$run" --thresholds_dir "$to" --output_dir "$to/report" --gallery 0 --overlays 0 \
            --draws 0 | grep "^On "
    done
}

for SET in $SETS; do
    decide fixed --method fixed
    decide global --method global
    decide per_class --method per_class
    decide cross_fit --method cross_fit
    decide rate_match --method rate_match
    decide shrink
    decide shrink_at_least_one --at_least_one
    decide shrink_subset_accuracy --objective subset_accuracy
    python experiments/methods_table.py "$WORK/thresholds/$SET" thresholds macro-F1 "subset accuracy" \
        "F1 large" "F1 medium" "F1 small"
done
