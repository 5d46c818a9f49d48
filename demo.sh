#!/usr/bin/env bash
# A made set of images through the whole pipeline, into demo/, twice: with plain binary cross-entropy judged at threshold 0.5, and
# with the class-weighted loss and tuned thresholds. From the shell: DEMO_COUNT=300 DEMO_EPOCHS=3 bash demo.sh
set -euo pipefail
cd "$(dirname "$0")"

# Names of their own, because a DIR or SIZE may be set for some other program.
DIR=${DEMO_DIR:-demo}
COUNT=${DEMO_COUNT:-1500}
SIZE=${DEMO_SIZE:-96}
EPOCHS=${DEMO_EPOCHS:-12}
MARKER=$DIR/.made-by-demo

# An earlier demo is replaced, and nothing else is ever deleted.
if [ -n "$(ls -A "$DIR" 2>/dev/null)" ] && [ ! -f "$MARKER" ]; then
    echo "error: $DIR was not made by this script; delete it, or give another folder: DEMO_DIR=another bash demo.sh" >&2
    exit 1
fi
rm -rf "$DIR"
mkdir -p "$DIR"
touch "$MARKER"
python -m data.synthetic --image_dir "$DIR/images" --labels_csv "$DIR/labels.csv" --count "$COUNT" --size "$SIZE"
python preprocess.py --image_dir "$DIR/images" --labels_csv "$DIR/labels.csv" --classes_file "$DIR/classes.txt" \
    --cache_dir "$DIR/cache" --size "$SIZE"
for LOSS in bce weighted_bce; do
    python train.py --cache_dir "$DIR/cache" --run_dir "$DIR/$LOSS" --loss "$LOSS" --epochs "$EPOCHS"
    python thresholds.py --run_dirs "$DIR/$LOSS"
    python evaluate.py --run_dirs "$DIR/$LOSS"
done
python - "$DIR" <<'PYTHON'
import json, sys
print("\nTest images                                  macro-F1   subset accuracy")
for run, thresholds, name in (("bce", "0.5", "plain BCE, threshold 0.5"), ("weighted_bce", "tuned", "weighted BCE, tuned thresholds")):
    scores = json.load(open(f"{sys.argv[1]}/{run}/report/metrics.json"))["splits"]["test"][thresholds]
    print(f"{name:44} {scores['macro_f1']:8.3f} {scores['subset_accuracy']:17.3f}")
print(f"\nReport: {sys.argv[1]}/weighted_bce/report/index.html")
PYTHON
