#!/usr/bin/env bash
# VGG16, the CNN and ResNet50 much as the work that this toolkit follows trained them: on large images and on small ones,
# then with the rare classes rotated, then with the loss weighted by hand as well. One step apart each, where that work
# changed two things at once, and as many steps for each recipe of a network; curves of each network, and precision and
# recall by class before and after weighting. VGG16 has batch normalisation, without which it does not begin in so few
# steps, and 512 units in place of 4,096. Goes on where it stopped. WORK names the folder; COUNT, LARGE, SMALL, STEPS,
# EPOCHS, SEEDS and MODELS the size.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/figure6}
COUNT=${COUNT:-2000}
LARGE=${LARGE:-64}
SMALL=${SMALL:-32}
STEPS=${STEPS:-44}        # between validations: a pass over the images; with the rotated ones it is almost twice as long
EPOCHS=${EPOCHS:-}        # empty: 40 of the CNN, 20 of the large ones, which take an hour a run in float32
SEEDS=${SEEDS:-0 1 2}
MODELS=${MODELS:-cnn vgg16 resnet50}
ROWS=$CELL_DATA/hpa/train.csv

SIZE=$LARGE
made "$WORK/large" "$WORK/images" "$WORK/labels.csv" --label_rows "$ROWS"
SIZE=$SMALL
prepared "$WORK/small" "$WORK/images" "$WORK/labels.csv" "$WORK/classes.txt"
[ -d "$WORK/small/augmented/rotate_rare" ] ||
    python augment.py --cache_dir "$WORK/small" --method rotate_rare --rare_below 50
weighted_by_hand "$WORK/small" "$WORK/weights.csv"

ROTATED=(--augmented rotate_rare)
WEIGHTED=(--loss weighted_bce --class_weights by_hand --weights_csv "$WORK/weights.csv")
for MODEL in $MODELS; do
    for SEED in $SEEDS; do
        # Where the machine has bfloat16, the large ones compute in another arithmetic than the CNN.
        case $MODEL in
            vgg16)
                PLAIN=(--epochs 20 --batch_norm --learning_rate 0.0001 --dense_units 512 --precision auto) ;;
            resnet50) PLAIN=(--epochs 20 --warmup_fraction 0.1 --precision auto) ;;
            *) PLAIN=(--epochs 40) ;;
        esac
        PLAIN+=(--model "$MODEL" --loss bce --operations --seed "$SEED" --steps_per_epoch "$STEPS"
            --train_metrics_every 4)
        [ -n "$EPOCHS" ] && PLAIN+=(--epochs "$EPOCHS")
        RUN=$WORK/runs/$MODEL
        judge "$WORK/large" "${RUN}_large/$SEED" "${PLAIN[@]}"
        judge "$WORK/small" "${RUN}_small/$SEED" "${PLAIN[@]}"
        judge "$WORK/small" "${RUN}_rotated/$SEED" "${PLAIN[@]}" "${ROTATED[@]}"
        judge "$WORK/small" "${RUN}_rotated_weighted/$SEED" "${PLAIN[@]}" "${ROTATED[@]}" "${WEIGHTED[@]}"
    done
    python -m experiments.curves_picture "$WORK/runs" "$WORK/curves_$MODEL.png" \
        "$MODEL"_{large,small,rotated,rotated_weighted}
    python -m experiments.weighting_picture "$WORK/runs" "${MODEL}_rotated" "${MODEL}_rotated_weighted" \
        "$WORK/weighting_$MODEL.png"
done
python experiments/methods_table.py "$WORK/runs" recipe mAP macro-F1 "subset accuracy" "macro-F1 at 0.5" \
    "subset accuracy at 0.5" "train macro-F1" "train subset accuracy" "F1 large" "F1 medium" "F1 small" minutes
for AT in "" " at 0.5"; do
    python experiments/methods_table.py "$WORK/runs" recipe "macro-F1$AT" "precision large$AT" "precision medium$AT" \
        "precision small$AT" "recall large$AT" "recall medium$AT" "recall small$AT"
done
