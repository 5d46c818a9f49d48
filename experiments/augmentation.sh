#!/usr/bin/env bash
# Each method of augmentation on made images with the challenge's label rows: the same network, loss, seed and number of
# steps, judged by validation mAP. Goes on where it stopped. LABEL_ROWS names the rows, WORK the folder, STEPS and COUNT
# the size.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

LABEL_ROWS=${LABEL_ROWS:-$CELL_DATA/hpa/train.csv}
WORK=${WORK:-runs/augmentation}
COUNT=${COUNT:-6000}
SIZE=${SIZE:-128}
STEPS=${STEPS:-100}      # between validations
EPOCHS=${EPOCHS:-12}
CACHE=$WORK/cache

made "$CACHE" "$WORK/images" "$WORK/labels.csv" --label_rows "$LABEL_ROWS"
for METHOD in rotate_all rotate_rare mixup_rare balance; do
    [ -d "$CACHE/augmented/$METHOD" ] || python augment.py --cache_dir "$CACHE" --method "$METHOD" --rare_below 150
done

run() {  # name, options
    local name=$1
    shift
    grep -q '"finished": true' "$WORK/$name/config.json" 2> /dev/null && return
    echo "== $name"
    trained "$CACHE" "$WORK/$name" --steps_per_epoch "$STEPS" --epochs "$EPOCHS" "$@" | grep -v "^epoch"
}
run none --operations
run rotate_all --operations --augmented rotate_all
run rotate_rare --operations --augmented rotate_rare
run mixup_rare --operations --augmented mixup_rare
run balance --operations --augmented balance
run turned
run turned_balance --augmented balance
run turned_sampled --sampling balance
run turned_repeat_factors --sampling repeat_factors
run turned_mixup --mixing mixup
run rotated --operations quarter_turns flips rotation
python - "$WORK" <<'PYTHON'
import csv, json, sys
from pathlib import Path

print(f"{'method':24}{'best val mAP':>14}{'after steps':>13}{'last':>8}")
for path in sorted(Path(sys.argv[1]).glob("*/history.csv"), key=lambda path: path.stat().st_mtime):
    steps = json.loads((path.parent / "config.json").read_text())["config"]["steps_per_epoch"]
    values = [float(row["val_mAP"]) for row in csv.DictReader(path.open())]
    best = max(values)
    print(f"{path.parent.name:24}{best:14.3f}{steps * (values.index(best) + 1):13,}{values[-1]:8.3f}")
PYTHON
