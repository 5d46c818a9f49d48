#!/usr/bin/env bash
# The recipe of train.py's header against the stock recipe (a CNN, Adam, binary cross-entropy), against the best recipe of
# the work that this toolkit follows (that, or VGG16 much as there, with rare classes rotated and the loss weighted by
# hand), and against itself without each of its parts. On made images with the challenge's label rows, over seeds, and on
# real red blood cells, over five folds. Thresholds tuned on val, judged on test. Goes on where it stopped. WORK names the
# folder, CELL_DATA that of the real sets; COUNT, SIZE, STEPS, EPOCHS, RBC_SIZE, RBC_EPOCHS the size, SEEDS and FOLDS the
# repeats, SETS the sets, RECIPES the recipes.
# shellcheck source=experiments/common.sh
. "$(dirname "$0")/common.sh"

WORK=${WORK:-runs/recipe}
COUNT=${COUNT:-6000}
SIZE=${SIZE:-64}
STEPS=${STEPS:-100}       # between validations, on made images
EPOCHS=${EPOCHS:-12}
RBC_SIZE=${RBC_SIZE:-192}
RBC_EPOCHS=${RBC_EPOCHS:-60}
SEEDS=${SEEDS:-0 1 2}
FOLDS=${FOLDS:-0 1 2 3 4}
SETS=${SETS:-made rbc}
RECIPES=${RECIPES:-stock original original_vgg16 default without_residual without_soft_f1 without_adamw without_one_cycle
    without_turns without_repeats with_rare_below=50 with_ema=0.99 with_score_views=dihedral
    with_augmented=rotate_rare}

options() {  # recipe: the options of train.py that it stands for, beside those of the header
    case $1 in
        stock | original) echo "${BASE[*]} --loss bce --operations" ;;
        # Without batch normalisation it has not begun after 500 steps; in float32 it takes an hour a run.
        original_vgg16) echo "$(options original) --model vgg16 --batch_norm --dense_units 512 --learning_rate 0.0001
            --precision auto" ;;
        default) ;;
        without_residual) echo "--model cnn" ;;
        without_soft_f1) echo "--loss bce" ;;
        without_adamw) echo "--optimizer adam --weight_decay 0" ;;
        without_one_cycle) echo "--schedule constant --warmup_fraction 0" ;;
        without_turns) echo "--operations" ;;
        without_repeats) echo "--sampling all" ;;
        without_bfloat16) echo "--precision float32" ;;
        with_augmented=*) echo "--sampling all --augmented ${1#*=}" ;;  # in the place of repeats
        with_*=*) echo "--${1#with_}" | tr = " " ;;
        *) echo "no recipe $1" >&2; exit 1 ;;
    esac
}

USUAL=  # the header's recipe

case " $SETS " in *" made "*)
    CACHE=$WORK/made_cache
    made "$CACHE" "$WORK/made_images" "$WORK/made.csv" --label_rows "$CELL_DATA/hpa/train.csv"
    weighted_by_hand "$CACHE" "$WORK/weights.csv"
    [ -d "$CACHE/augmented/rotate_rare" ] ||
        python augment.py --cache_dir "$CACHE" --method rotate_rare --rare_below 50
    for SEED in $SEEDS; do
        for RECIPE in $RECIPES; do
            WORDS=$(options "$RECIPE")
            [ "${RECIPE%_vgg16}" = original ] && WORDS="$WORDS --augmented rotate_rare --loss weighted_bce
                --class_weights by_hand --weights_csv $WORK/weights.csv"
            # shellcheck disable=SC2086  # options are words
            judge "$CACHE" "$WORK/made/$RECIPE/$SEED" --seed "$SEED" --steps_per_epoch "$STEPS" --epochs "$EPOCHS" $WORDS
        done
    done ;;
esac
case " $SETS " in *" rbc "*)
    SIZE=$RBC_SIZE
    RBC=$CELL_DATA/chula_rbc12
    prepared "$WORK/rbc_cache" "$RBC/images" "$RBC/labels.csv" "$RBC/classes.txt" --folds 5 --test_fraction 0
    for FOLD in $FOLDS; do
        for RECIPE in $RECIPES; do
            # Copies made beforehand know of no folds, and no class of this set is rare enough to be repeated.
            case $RECIPE in original* | with_augmented=* | with_rare_below=* | without_repeats) continue ;; esac
            WORDS=$(options "$RECIPE")
            # shellcheck disable=SC2086
            judge "$WORK/rbc_cache" "$WORK/rbc/$RECIPE/$FOLD" --fold "$FOLD" --epochs "$RBC_EPOCHS" $WORDS
        done
    done ;;
esac
for NAME in $SETS; do
    python experiments/methods_table.py "$WORK/$NAME" recipe mAP macro-F1 "subset accuracy" "macro-F1 at 0.5" \
        "subset accuracy at 0.5" "F1 large" "F1 medium" "F1 small" ECE minutes
done
