#!/usr/bin/env bash
# The models of a cross-validation as one, against each of them alone, on test images that none of them saw: on made
# images, and on real red blood cells. Thresholds of one model are tuned on its own fold, those of the ensemble on all
# folds, each scored by the model that did not see it. The recipe is that of train.py's header. Goes on where it stopped.
# WORK names the folder, CELL_DATA that of the real sets; COUNT, SIZE, EPOCHS, RBC_SIZE, RBC_EPOCHS the size, FOLDS which
# of five, SETS the sets.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/ensembles}
COUNT=${COUNT:-3000}
SIZE=${SIZE:-64}
EPOCHS=${EPOCHS:-12}
RBC_SIZE=${RBC_SIZE:-192}
RBC_EPOCHS=${RBC_EPOCHS:-60}
FOLDS=${FOLDS:-0 1 2 3 4}
SETS=${SETS:-made rbc}
USUAL=  # the header's recipe

alone_and_joined() {  # name of the set, epochs
    local runs=()
    for FOLD in $FOLDS; do
        judge "$WORK/$1_cache" "$WORK/$1/alone/$FOLD" --fold "$FOLD" --epochs "$2"
        runs+=("$WORK/$1/alone/$FOLD")
    done
    [ -f "$WORK/$1/joined/all/report/metrics.json" ] || judged_into "$WORK/$1/joined/all" "${runs[@]}"
}

case " $SETS " in *" made "*)
    FOLDED="--folds 5"
    made "$WORK/made_cache" "$WORK/made_images" "$WORK/made.csv"
    alone_and_joined made "$EPOCHS" ;;
esac
case " $SETS " in *" rbc "*)
    SIZE=$RBC_SIZE
    RBC=$CELL_DATA/chula_rbc12
    prepared "$WORK/rbc_cache" "$RBC/images" "$RBC/labels.csv" "$RBC/classes.txt" --folds 5 --test_fraction 0.2
    alone_and_joined rbc "$RBC_EPOCHS" ;;
esac
for NAME in $SETS; do
    python experiments/methods_table.py "$WORK/$NAME" models
done
