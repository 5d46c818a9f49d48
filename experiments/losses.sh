#!/usr/bin/env bash
# Each loss on two sets: made images with the challenge's label rows (28 classes, a long tail), over several seeds, and
# real red blood cells, over five folds. The same network, sampling and number of steps for each; thresholds tuned on
# val, judged on test. Goes on where it stopped. WORK names the folder, CELL_DATA that of the real sets, COUNT, SIZE,
# STEPS, EPOCHS and RBC_EPOCHS the size, SEEDS and FOLDS the repeats, LOSSES the losses, SETS the sets.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/losses}
COUNT=${COUNT:-6000}
SIZE=${SIZE:-96}
STEPS=${STEPS:-100}       # between validations, on made images
EPOCHS=${EPOCHS:-12}
RBC_EPOCHS=${RBC_EPOCHS:-30}
SEEDS=${SEEDS:-0 1 2}
FOLDS=${FOLDS:-0 1 2 3 4}
SETS=${SETS:-made rbc}
LOSSES=${LOSSES:-bce sqrt_inverse inverse effective_number balanced focal asymmetric distribution_balanced
    distribution_balanced_sampled two_way soft_f1 lovasz bce_two_way bce_soft_f1 bce_lovasz}

options() {  # name: the options of train.py that it stands for
    case $1 in
        sqrt_inverse | inverse | effective_number | balanced) echo "--loss weighted_bce --class_weights $1" ;;
        # The paper's setting: its weights undo what drawing by class does to the classes that come along.
        distribution_balanced_sampled) echo "--loss distribution_balanced --sampling class_aware" ;;
        bce_*) echo "--loss bce --extra_losses ${1#bce_}:0.5" ;;
        *) echo "--loss $1" ;;
    esac
}

case " $SETS " in *" made "*)
    made "$WORK/made_cache" "$WORK/made_images" "$WORK/made.csv" --label_rows "$CELL_DATA/hpa/train.csv"
    for SEED in $SEEDS; do
        for LOSS in $LOSSES; do
            # shellcheck disable=SC2046  # options are words
            judge "$WORK/made_cache" "$WORK/made/$LOSS/$SEED" --seed "$SEED" --steps_per_epoch "$STEPS" \
                --epochs "$EPOCHS" $(options "$LOSS")
        done
    done ;;
esac
case " $SETS " in *" rbc "*)
    RBC=$CELL_DATA/chula_rbc12
    prepared "$WORK/rbc_cache" "$RBC/images" "$RBC/labels.csv" "$RBC/classes.txt" --folds 5 --test_fraction 0
    for FOLD in $FOLDS; do
        for LOSS in $LOSSES; do
            # shellcheck disable=SC2046
            judge "$WORK/rbc_cache" "$WORK/rbc/$LOSS/$FOLD" --fold "$FOLD" --epochs "$RBC_EPOCHS" $(options "$LOSS")
        done
    done ;;
esac
for NAME in $SETS; do
    python experiments/methods_table.py "$WORK/$NAME" loss
done
