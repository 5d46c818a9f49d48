#!/usr/bin/env bash
# Each model on made images: the same images, loss and number of steps, at the learning rate that docs/models.md names for
# it; thresholds tuned on val, judged on test. Goes on where it stopped. WORK names the folder, COUNT, SIZE, STEPS and
# EPOCHS the size. Rates of images a second are those of this machine, so nothing else should run beside it.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/models}
COUNT=${COUNT:-3000}
SIZE=${SIZE:-64}
STEPS=${STEPS:-100}       # between validations
EPOCHS=${EPOCHS:-4}
CACHE=$WORK/cache

made "$CACHE" "$WORK/images" "$WORK/labels.csv"

train() {  # name, options
    local name=$1
    shift
    [ -f "$WORK/$name/scores/test.npz" ] && return
    echo "== $name"
    trained "$CACHE" "$WORK/$name" --steps_per_epoch "$STEPS" --epochs "$EPOCHS" "$@" > "$WORK/$name.log"
}

SMALL=(--optimizer adamw --weight_decay 0.05 --learning_rate 0.003 --schedule one_cycle --warmup_fraction 0.3)
DEEP=(--learning_rate 0.001 --warmup_fraction 0.1)
TREE=(--model hierarchical --hierarchy data/hpa_hierarchy.csv --extractor residual)
train cnn
train vgg16 --model vgg16 --batch_norm --learning_rate 0.0001
train resnet50 --model resnet50 "${DEEP[@]}"
train efficientnet --model backbone --backbone EfficientNetV2B0 "${DEEP[@]}"
train residual --model residual "${SMALL[@]}"
train residual_pyramid --model residual --pyramid_levels 1 2 4 "${SMALL[@]}"
train tree_recurrent "${TREE[@]}" "${SMALL[@]}"
train tree_flat "${TREE[@]}" --head flat "${SMALL[@]}"
train large --model residual --classes large "${SMALL[@]}"
train small --model residual --classes small "${SMALL[@]}"
for NAME in cnn vgg16 resnet50 efficientnet residual residual_pyramid tree_recurrent tree_flat; do
    judged "$WORK/$NAME"
done
judged "$WORK/large" "$WORK/small"
python experiments/models_table.py "$WORK"
