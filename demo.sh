#!/usr/bin/env bash
# A made set of images through the whole pipeline, into demo/, twice: by the stock recipe, a CNN with Adam and binary
# cross-entropy on the images as they are, and by the recipe of the scripts' headers. From the shell: DEMO_COUNT=300 DEMO_EPOCHS=3 bash demo.sh
set -euo pipefail
cd "$(dirname "$0")"

# Names of their own, because a DIR or SIZE may be set for some other program.
DIR=${DEMO_DIR:-demo}
COUNT=${DEMO_COUNT:-1500}
SIZE=${DEMO_SIZE:-96}
EPOCHS=${DEMO_EPOCHS:-12}
MARKER=$DIR/.made-by-demo

if ! python -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('keras') is None)" 2> /dev/null; then
    echo "error: python has no Keras; activate the environment (source .venv/bin/activate), or run make demo" >&2
    exit 1
fi
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
COMMON=(--cache_dir "$DIR/cache" --epochs "$EPOCHS")
python train.py "${COMMON[@]}" --run_dir "$DIR/stock" --model cnn --loss bce --optimizer adam --weight_decay 0 \
    --schedule constant --warmup_fraction 0 --precision float32 --sampling all --operations
python train.py "${COMMON[@]}" --run_dir "$DIR/recipe"
for RUN in stock recipe; do
    python thresholds.py --run_dirs "$DIR/$RUN"
    python evaluate.py --run_dirs "$DIR/$RUN"
done
python - "$DIR" <<'PYTHON'
import json, sys
print(f"\n{'Test images':44} macro-F1   subset accuracy")
for run, thresholds, name in (
    ("stock", "0.5", "stock recipe (CNN, Adam, BCE), threshold 0.5"),
    ("stock", "tuned", "stock recipe, tuned thresholds"),
    ("recipe", "0.5", "the headers' recipe, threshold 0.5"),
    ("recipe", "tuned", "the headers' recipe, tuned thresholds"),
):
    scores = json.load(open(f"{sys.argv[1]}/{run}/report/metrics.json"))["splits"]["test"][thresholds]
    print(f"{name:44} {scores['macro_f1']:8.3f} {scores['subset_accuracy']:17.3f}")
print(f"\nReport: {sys.argv[1]}/recipe/report/index.html")
PYTHON
