# What the experiments share; each begins with it. It stops at the first error, and goes to the repository's folder.
# CELL_DATA is the folder of the real sets.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CELL_DATA=${CELL_DATA:-../shared/data}

# What each experiment changes one thing of, whatever the header of train.py says today: the CNN, Adam at one rate, all
# images once an epoch, turned and flipped.
BASE=(--model cnn --loss weighted_bce --class_weights sqrt_inverse --extra_losses --batch_size 32 --optimizer adam
    --learning_rate 0.001 --schedule constant --warmup_fraction 0 --weight_decay 0 --ema 0 --precision float32
    --sampling all --repeat_operations --operations quarter_turns flips --score_views one --dropout 0.3)

# In place of BASE's network and optimizer, where a stronger and steadier one shows differences better.
RESIDUAL=(--model residual --loss bce --optimizer adamw --weight_decay 0.05 --learning_rate 0.003 --schedule one_cycle
    --warmup_fraction 0.3 --precision auto)

prepared() {  # cache, images, labels, classes, options of preprocess.py: makes the cache, unless it is there
    [ -d "$1" ] && return
    python preprocess.py --image_dir "$2" --labels_csv "$3" --classes_file "$4" --cache_dir "$1" --size "$SIZE" "${@:5}"
}

FOLDED=  # options of preprocess.py for made images

made() {  # cache, images, labels, options of data.synthetic: makes the images and their cache, unless it is there
    [ -d "$1" ] && return
    python -m data.synthetic --image_dir "$2" --labels_csv "$3" --count "$COUNT" --size "$SIZE" "${@:4}"
    # shellcheck disable=SC2086  # options are words
    prepared "$1" "$2" "$3" "$(dirname "$3")/classes.txt" $FOLDED
}

USUAL=${BASE[*]}  # what each run is given, before its own options

trained() {  # cache, run, options of train.py beside or in place of USUAL's
    # shellcheck disable=SC2086  # options are words
    python train.py --cache_dir "$1" --run_dir "$2" --resume --patience 0 --train_metrics_every 0 $USUAL "${@:3}"
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

judge() {  # cache, run, options of train.py: trained and judged, unless it has been; the run keeps what train.py said
    [ -f "$2/report/metrics.json" ] && return
    echo "== $2"
    if [ ! -f "$2/train.log" ]; then
        mkdir -p "$(dirname "$2")"
        # Not by grep: a run that had ended says nothing of what is sought, and no line found would be a fault.
        trained "$@" | tee -a "$2.log" | sed -n "/^Validation mAP/p"
        mv "$2.log" "$2/train.log"
    fi
    judged "$2"
}

weighted_by_hand() {  # cache, CSV to write: a positive counts 1 in the largest classes, 4 in those below 300 training
    # images, 10 below 100
    python - "$1/cache.json" > "$2" <<'PYTHON'
import json, sys

print("class,positive,negative")
cache = json.load(open(sys.argv[1], encoding="utf-8"))
for name, images in zip(cache["class_names"], cache["counts"]["train"]["positives"], strict=True):
    print(f'"{name}",{10 if images < 100 else 4 if images < 300 else 1},1')
PYTHON
}
