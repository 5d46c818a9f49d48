#!/usr/bin/env bash
# Each model on made images in place of the one in train.py's header, all else as there: the same images, loss and number
# of steps, from scratch, each at the learning rate that suits it; thresholds tuned on val, judged on test. Goes on where
# it stopped. WORK names the folder, COUNT, SIZE, STEPS, EPOCHS and SEEDS the size. Rates of images a second are those of
# this machine, so nothing else should run beside it.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/models}
COUNT=${COUNT:-3000}
SIZE=${SIZE:-64}
STEPS=${STEPS:-100}       # between validations
EPOCHS=${EPOCHS:-4}
SEEDS=${SEEDS:-0 1 2}
CACHE=$WORK/cache
RUNS=$WORK/runs
USUAL=  # the header's recipe

made "$CACHE" "$WORK/images" "$WORK/labels.csv"

run() {  # name, options
    judge "$CACHE" "$RUNS/$1/$SEED" --seed "$SEED" --steps_per_epoch "$STEPS" --epochs "$EPOCHS" "${@:2}"
}
for SEED in $SEEDS; do
    run cnn --model cnn
    run residual
    run residual_pyramid --pyramid_levels 1 2 4
    run residual_wide --width 2
    run residual_deep --depth 2
    run efficientnet --model backbone --backbone EfficientNetV2B0
    run resnet50 --model resnet50
    run vgg16 --model vgg16 --batch_norm
done
python experiments/methods_table.py "$RUNS" model "million parameters" "GFLOPs an image" images/s mAP macro-F1 \
    "subset accuracy" "F1 large" "F1 medium" "F1 small"
