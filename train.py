"""Train one model on a cache. Edit the header, or override it: python train.py --epochs 3

Two cores train the residual net on 200 images of 128 x 128 a second in bfloat16, on 100 in float32 (bench/RESULTS.md).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import header
from header import Fraction, NonNegativeFloat, NonNegativeInt, OpenFraction, PositiveFloat, PositiveInt, Seed

if TYPE_CHECKING:
    import keras

    from loss_formulas.base import LabelLoss
    from training.inputs import Inputs
    from training.resume import Session
    from training.stages import Fitted

Scheme = Literal["by_hand", "balanced", "inverse", "sqrt_inverse", "effective_number"]  # formulas: losses.class_weights

Loss = Literal[
    "bce_soft_f1", "bce", "weighted_bce", "focal", "asymmetric", "distribution_balanced", "two_way", "soft_f1",
    "lovasz",
]  # fmt: skip

Sampling = Literal["all", "repeat_rare", "repeat_factors", "class_aware", "balance"]

Operation = Literal[
    "quarter_turns", "flips", "rotation", "shift", "crop", "scale", "shear",
    "brightness", "contrast", "colour", "noise", "blur",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    cache_dir: Path = Path("cache/cells-128")  # written by preprocess.py
    run_dir: Path = Path("runs/cells")  # the folder of this run, made here
    seed: Seed = 0  # of initialisation, order and dropout
    overwrite: bool = False  # replace an earlier run in run_dir
    resume: bool = False  # go on where training stopped; harmless where nothing is there yet, or all is done
    checkpoint_minutes: PositiveFloat = 10.0  # at most, between two states to go on from; each epoch's end has one too
    deterministic: Literal["auto", "on", "off"] = "auto"  # the same bits each time; auto: on a CPU, where it is free
    devices: Literal["one", "all"] = "one"  # all: every GPU, and other machines', on JAX: docs/cluster.md
    classes: tuple[str, ...] = ("all",)  # all, large, small (cut at large_from), or names or ids; runs are joined later
    large_from: NonNegativeInt = 0  # training images in the cache from which a class is large; 0: the classes' mean
    negatives: NonNegativeFloat = 3.0  # part of the classes: images without any shown for one with a class; 0: all
    fold: NonNegativeInt | None = None  # the fold that is val; in a cache without test rows it is test, the next val
    start_from: Path | None = None  # an earlier run whose weights are the start; its classes may differ
    model: Literal["cnn", "vgg16", "resnet50", "residual", "backbone", "hierarchical"] = "residual"  # docs/models.md
    loss: Loss = "bce_soft_f1"  # see docs/losses.md
    extra_losses: tuple[str, ...] = ()  # added to it with coefficients, such as lovasz:0.5
    label_smoothing: Fraction = 0.0  # share of each known label that is spread evenly over yes and no
    augmented: tuple[str, ...] = ()  # tags of sets that augment.py made, trained on as well
    epochs: PositiveInt = 30  # passes over the training images, at most
    steps_per_epoch: NonNegativeInt = 0  # steps between validations, which then count as epochs; 0: a whole pass
    batch_size: PositiveInt = 32  # images a step
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"  # sgd has Nesterov momentum
    learning_rate: PositiveFloat | None = None  # the highest of the schedule; None: what suits, docs/models.md
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"  # of the learning rate over all epochs
    warmup_fraction: Fraction = 0.3  # of all steps, in which the learning rate rises
    weight_decay: NonNegativeFloat | None = None  # decoupled, not on biases and norms; None: what suits
    momentum: Fraction = 0.9  # of sgd
    clip_norm: NonNegativeFloat = 0.0  # greatest norm of all gradients together; 0: no limit
    ema: Fraction = 0.0  # highest decay of an average of the weights, which is evaluated and saved; 0: none
    accumulation: PositiveInt = 1  # batches whose gradients make one step
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"  # bfloat16 if computed
    prior_bias: bool = True  # start the last layer's biases at what the classes' rates ask for
    patience: NonNegativeInt = 0  # epochs without a better validation mAP before training stops; 0: never
    train_metrics_every: NonNegativeInt = 5  # epochs between metrics on the training rows too; 0: never
    jit_compile: Literal["auto", "on", "off"] = "auto"  # XLA; auto: on a GPU only
    sampling: Sampling = "repeat_rare"  # how often an epoch shows an image: all once, or some more often
    rare_below: PositiveInt = 100  # repeat_rare: rare is a class of fewer images, and than a 15th of the largest
    copies: PositiveInt = 4  # repeat_rare: further views in an epoch of an image with a rare class
    repeat_threshold: OpenFraction = 0.05  # repeat_factors: classes in a smaller share of the images are repeated
    max_copies: PositiveInt = 9  # balance: further views of one image in an epoch at most
    mixing: Literal["off", "mixup", "cutmix"] = "off"  # two images of a batch made into one with shares of their labels
    mixing_alpha: PositiveFloat = 0.4  # shares are drawn from Beta(alpha, alpha)
    workers: NonNegativeInt = 0  # threads that augment; 0: half of the cores
    class_weights: Scheme = "sqrt_inverse"  # of weighted_bce: by_hand takes the next two, others count an epoch
    positive_weights: tuple[NonNegativeFloat, ...] = ()  # by_hand: w+ of each class, in the cache's order
    negative_weights: tuple[NonNegativeFloat, ...] = ()  # by_hand: w- of each class; empty: 1 for all
    weights_csv: Path | None = None  # by_hand: a CSV instead of these two, with the columns class, positive, negative
    max_weight: PositiveFloat = 20.0  # the largest class weight that a scheme may give
    effective_beta: OpenFraction = 0.999  # effective_number: near 1 is inverse, near 0 no weights
    focal_gamma: NonNegativeFloat = 2.0  # focal: how little labels count that are right already
    focal_alpha: Fraction = 0.25  # focal: weight of positives; negatives have the rest to 1
    gamma_positive: NonNegativeFloat = 0.0  # asymmetric: as focal_gamma, for positives
    gamma_negative: NonNegativeFloat = 4.0  # asymmetric: as focal_gamma, for negatives
    margin: Fraction = 0.05  # asymmetric: negatives of a smaller probability are left alone
    rebalance_alpha: NonNegativeFloat = 0.1  # distribution_balanced: the least weight of a label
    rebalance_beta: NonNegativeFloat = 10.0  # distribution_balanced: how steeply weights rise to 1 more
    rebalance_mu: NonNegativeFloat = 0.2  # distribution_balanced: where they rise
    tolerance_bias: NonNegativeFloat = 0.05  # distribution_balanced: bias of rare classes' logits
    tolerance_scale: PositiveFloat = 5.0  # distribution_balanced: how gently negatives far below 0 are pushed
    soft_f1_share: PositiveFloat = 0.5  # bce_soft_f1: coefficient of soft_f1 beside that of bce, 1
    temperature: PositiveFloat = 4.0  # two_way: the higher, the more all positives count and not the lowest alone
    batch_norm: bool = False  # cnn, vgg16: batch normalisation behind each convolution
    global_pooling: bool = False  # cnn, vgg16: average over places instead of flattening
    pyramid_levels: tuple[PositiveInt, ...] = ()  # all: maxima over grids, such as 1 2 4: docs/any_size.md; empty: none
    train_scales: tuple[PositiveFloat, ...] = (1.0,)  # of the images' sides, an epoch each in turn: docs/any_size.md
    score_scales: tuple[PositiveFloat, ...] = (1.0,)  # final scores, and predictions, are means over these scales
    score_views: Literal["one", "flips", "dihedral", "crops"] = "one"  # and over these views of each: 1, 4, 8 or 10
    dropout: Fraction = 0.3  # dropped fraction of the features, or of the hidden dense layers
    dense_units: PositiveInt = 4096  # vgg16: width of its two hidden dense layers
    width: PositiveFloat = 1.0  # residual: factor on the channels
    depth: PositiveInt = 1  # residual: blocks a stage
    backbone: str = "EfficientNetV2B0"  # backbone: any network of keras.applications
    weights: str = "none"  # resnet50, backbone: none, imagenet, or the path of a file
    trainable: Literal["all", "last_stage", "head"] = "all"  # resnet50, backbone: the rest keeps its weights
    head_units: NonNegativeInt = 0  # resnet50, backbone: width of a hidden dense layer behind the features; 0: none
    head_epochs: NonNegativeInt = 0  # resnet50, backbone: epochs on the head alone, before `epochs` on what trains
    fine_tune_factor: PositiveFloat = 0.1  # on the learning rate after head_epochs
    hierarchy: Path | None = None  # hierarchical: CSV class,parent of the tree, see docs/hierarchy.md
    extractor: Literal["cnn", "vgg16", "resnet50", "residual", "backbone"] = "residual"  # hierarchical: below the head
    head: Literal["recurrent", "flat"] = "recurrent"  # hierarchical: flat is as large, to compare with
    units: PositiveInt = 128  # hierarchical: width of the hidden state
    level_weights: tuple[NonNegativeFloat, ...] = ()  # hierarchical: of each level's loss, tops first; empty: equal
    operations: tuple[Operation, ...] = ("quarter_turns", "flips")  # drawn anew for each training image and epoch
    repeat_operations: tuple[Operation, ...] = ("rotation",)  # beside these, where an epoch shows an image once more
    rotation_degrees: NonNegativeFloat = 180.0  # either way; what turns in is the reflected border
    shift_fraction: Fraction = 0.1  # of the side, each way
    crop_fraction: Fraction = 0.7  # side of the smallest cut-out, which is enlarged to the full size
    scale_factor: PositiveFloat = 1.2  # enlarged or reduced by at most this
    shear_degrees: NonNegativeFloat = 10.0  # either way
    brightness_fraction: Fraction = 0.2  # factor 1 ± this on all channels
    contrast_fraction: Fraction = 0.2  # factor 1 ± this about each channel's mean
    colour_fraction: Fraction = 0.1  # factor 1 ± this on each channel by itself
    noise_levels: NonNegativeFloat = 5.0  # greatest standard deviation, of 255 levels
    blur_pixels: NonNegativeFloat = 1.0  # greatest standard deviation
    interpolation: Literal["cubic", "linear"] = "cubic"  # linear is twice as fast, but smooths noise


def main(config: Config) -> None:
    from training import distribution, memory, resume

    memory.keep_freed_memory()
    with distribution.joined(config) as own, resume.session(own) as session:
        if session.finished:
            print(f"{config.run_dir} is finished, so nothing is left to go on with")
        else:
            train(own, session)
        header.next_command("thresholds.py", run_dirs=config.run_dir)


def train(config: Config, session: "Session") -> None:
    """Train from the beginning or from the checkpoint of `session`, and leave a finished run."""
    from training import selection
    from training.inputs import Inputs

    cache, messages = selection.viewed(config)
    inputs = Inputs(config, cache)

    # Keras takes seconds to import, so the errors of the data come first.
    import run_folder
    from training import devices, model_setup, stages, start_from
    from training.fused_normalization import fused_normalization

    stages.check(config, cache)
    earlier = run_folder.open_run(config.start_from) if config.start_from else None
    notes = start_from.check_images(earlier, cache) if earlier else []
    warnings = start_from.images_seen(earlier, cache) if earlier else []
    threads = devices.prepare(config, session.threads)
    model, loss = model_setup.build(config, inputs, earlier)
    splits = ", ".join(f"{len(rows):,} {split}" for split, rows in inputs.rows.items())
    print("\n".join([f"{config.cache_dir}: {splits} images", *messages, *model_setup.messages(config, inputs)]))
    model_setup.show_cost(config, cache, model)
    model_setup.start_weights(config, inputs, model, loss, earlier)
    for text in notes + warnings:
        print(f"Warning: {text}")
    show_weights(inputs, loss)

    description = model_setup.description(config, inputs, model)
    description |= {"threads": threads, "warnings": warnings}
    session.begin({**header.record(config), **description}, earlier and earlier.trained_on())
    with fused_normalization(model):
        fitted = stages.fit(config, inputs, model, loss, session.state)
    show_curves(config, fitted.history)
    leave_run(config, inputs, model, fitted)


def leave_run(config: Config, inputs: "Inputs", model: "keras.Model", fitted: "Fitted") -> None:
    """Store the scores and the saved model, both in float32, and mark the run as finished."""
    import models
    import run_folder
    from training import devices, distribution, fitting
    from training.checkpoint import Checkpoints
    from training.fused_normalization import fused_normalization

    scored = models.in_float32(fitted.model)
    if scored is not fitted.model:
        scored.compile(jit_compile=devices.jit_compile(config.jit_compile))
    with fused_normalization(scored):
        fitting.store_scores(config, fitted.images, inputs.rows, scored)
    with distribution.alone(model) as whole:
        models.with_probabilities(models.in_float32(whole)).save(config.run_dir / run_folder.MODEL)
    run_folder.finish_run(config.run_dir)
    Checkpoints(config.run_dir).clear()


def show_weights(inputs: "Inputs", loss: "LabelLoss") -> None:
    """Print the class weights as a table, if the loss has any."""
    from report import tables

    for part in (part.alone() for _, part in loss.parts() if part.name == "weighted_bce"):
        rows = zip(
            inputs.cache.class_names, inputs.counts()[0], part.positive_weights, part.negative_weights, strict=True
        )
        tables.show(
            "Class weights",
            ("class", "images an epoch", "w+", "w−"),
            ((name, f"{count:,.0f}", f"{positive:.3g}", f"{negative:.3g}") for name, count, positive, negative in rows),
        )


def show_curves(config: Config, history: list[dict[str, float]]) -> None:
    """Draw the learning curves and say in a sentence what they show."""
    from report import curves

    sentence = curves.reading(history, config.head_epochs + config.epochs, config.schedule)
    curves.draw(history, sentence, config.run_dir / "learning_curves.png")
    print(sentence)
    print(f"Learning curves: {config.run_dir / 'learning_curves.png'}")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
