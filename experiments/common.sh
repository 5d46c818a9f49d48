# What the experiments share; each begins with it. It stops at the first error, and goes to the repository's folder.
# CELL_DATA is the folder of the real sets.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CELL_DATA=${CELL_DATA:-../shared/data}

prepared() {  # cache, images, labels, classes, options of preprocess.py: makes the cache, unless it is there
    [ -d "$1" ] && return
    python preprocess.py --image_dir "$2" --labels_csv "$3" --classes_file "$4" --cache_dir "$1" --size "$SIZE" "${@:5}"
}

made() {  # cache, images, labels, options of data.synthetic: makes the images and their cache, unless it is there
    [ -d "$1" ] && return
    python -m data.synthetic --image_dir "$2" --labels_csv "$3" --count "$COUNT" --size "$SIZE" "${@:4}"
    prepared "$1" "$2" "$3" "$(dirname "$3")/classes.txt"
}

trained() {  # cache, run, options of train.py
    python train.py --cache_dir "$1" --run_dir "$2" --overwrite --patience 0 --train_metrics_every 0 "${@:3}"
}

judged() {  # runs: thresholds tuned on val, and the figures on test
    judged_into "" "$@"
}

judged_into() {  # folder for thresholds and report, or nothing for the runs' own; runs
    # Not by arrays: an empty one is an unbound variable to the Bash 3.2 of macOS.
    python thresholds.py --run_dirs "${@:2}" ${1:+--output_dir "$1"} > /dev/null
    python evaluate.py --run_dirs "${@:2}" ${1:+--thresholds_dir "$1" --output_dir "$1/report"} \
        --gallery 0 --overlays 0 | grep "^On "
}

judge() {  # cache, run, options of train.py: trained and judged, unless it has been
    [ -f "$2/report/metrics.json" ] && return
    echo "== $2"
    trained "$@" | grep "^Validation mAP"
    judged "$2"
}
