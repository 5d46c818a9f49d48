"""Train one model on a cache. Edit the header, or override it: python train.py --epochs 3"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import header
from header import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Seed

Scheme = Literal["by_hand", "balanced", "inverse", "sqrt_inverse", "effective_number"]  # formulas: losses.class_weights


@dataclass(frozen=True)
class Config:
    cache_dir: Path = Path("cache/cells-128")  # written by preprocess.py
    run_dir: Path = Path("runs/cnn")  # the folder of this run, made here
    seed: Seed = 0  # of initialisation, order and dropout
    overwrite: bool = False  # replace an earlier run in run_dir
    start_from: Path | None = None  # an earlier run whose weights are the start; its classes may differ
    model: Literal["cnn"] = "cnn"  # see models/
    loss: Literal["bce", "weighted_bce"] = "weighted_bce"  # see losses.py
    epochs: PositiveInt = 30  # passes over the training rows, at most
    batch_size: PositiveInt = 32  # images a step
    learning_rate: PositiveFloat = 0.001  # of Adam
    patience: NonNegativeInt = 8  # epochs without a better validation mAP before training stops; 0: never
    train_metrics_every: NonNegativeInt = 5  # epochs between metrics on the training rows too; 0: never
    jit_compile: Literal["auto", "on", "off"] = "auto"  # XLA; auto: on a GPU only
    class_weights: Scheme = "sqrt_inverse"  # of weighted_bce: by_hand takes the next two, others count training images
    positive_weights: tuple[NonNegativeFloat, ...] = ()  # by_hand: w+ of each class, in the cache's order
    negative_weights: tuple[NonNegativeFloat, ...] = ()  # by_hand: w- of each class; empty: 1 for all
    max_weight: PositiveFloat = 20.0  # the largest class weight that a scheme may give
    batch_norm: bool = False  # cnn: batch normalisation behind each convolution
    global_pooling: bool = False  # cnn: average over places instead of flattening
    dropout: Fraction = 0.3  # cnn: dropped fraction of the hidden dense layer


def main(config: Config) -> None:
    from data import cache as caches
    from training import memory

    memory.keep_freed_memory()
    cache = caches.open_cache(config.cache_dir)
    rows = usable_rows(config, cache)
    loss_parameters = loss_options(config, cache)

    import keras

    import losses
    import models
    import run_folder
    from data.faults import InputError
    from training import start_from

    earlier = run_folder.open_run(config.start_from) if config.start_from else None
    warnings = start_from.check_images(earlier, cache) if earlier else []
    # What that run began with is in these weights too.
    warnings += [f"{earlier.directory}: {text}" for text in earlier.warnings] if earlier else []
    keras.utils.set_random_seed(config.seed)
    try:
        loss = losses.build(config.loss, **loss_parameters)
        options = {"batch_norm": config.batch_norm, "global_pooling": config.global_pooling, "dropout": config.dropout}
        # Weights are worth something only behind the scaling that they were trained with.
        scaling = start_from.scaling(earlier) if earlier else cache.meta
        standard = {"mean": scaling["mean"], "std": scaling["std"]}
        model = models.build(config.model, cache.image_shape, len(cache.class_names), **standard, **options)
    except ValueError as error:
        raise InputError(str(error)) from None

    if silent := len(rows["train"]) - len(with_labels(cache, rows["train"])):
        print(f"{silent:,} train images have no known label and are left out of training")
    print(f"{config.cache_dir}: " + ", ".join(f"{len(found):,} {split}" for split, found in rows.items()) + " images")
    print(
        f"{config.model}: {model.count_params():,} parameters, Keras {keras.__version__} on {keras.backend.backend()}"
    )
    if earlier:
        print(start_from.take_over(model, earlier, cache.class_names))
    for text in warnings:
        print(f"Warning: {text}")
    if "positive_weights" in loss_parameters:
        show_weights(cache, **loss_parameters)
    made = {**header.record(config), "cache": cache.meta, "scaling": standard, "warnings": warnings}
    run_folder.create_run(config.run_dir, made, config.overwrite)
    fit(config, cache, rows, model, loss)
    store_scores(config, cache, rows, model)
    models.with_probabilities(model).save(config.run_dir / run_folder.MODEL)
    run_folder.finish_run(config.run_dir)
    header.next_command("thresholds.py", run_dirs=config.run_dir)


def usable_rows(config: Config, cache) -> dict:
    """The cache positions of each split; training without val rows to choose the best epoch by is refused."""
    from data.faults import InputError
    from data.splits import SPLITS

    rows = {split: cache.rows(split) for split in SPLITS}
    for split in ("train", "val"):
        if not (cache.labels[rows[split]] == 1).any():
            raise InputError(
                f"{config.cache_dir}: its {split} split has no image with a label, so there is nothing to "
                f"{'learn' if split == 'train' else 'choose the best epoch by'}; give preprocess.py other fractions"
            )
    return rows


def with_labels(cache, rows):
    """The rows with a known label: the others teach nothing, and would only thin the batches."""
    return rows[(cache.labels[rows] <= 1).any(axis=1)]


def loss_options(config: Config, cache) -> dict:
    """The parameters of the loss: class weights by hand or from the training counts."""
    if config.loss != "weighted_bce":
        return {}
    from data.faults import InputError

    classes = len(cache.class_names)
    if config.class_weights == "by_hand":
        given = {
            "positive_weights": config.positive_weights,
            "negative_weights": config.negative_weights or (1.0,) * classes,
        }
        for field, weights in given.items():
            if len(weights) != classes:
                raise InputError(f"{field}: {len(weights)} weights, but {config.cache_dir} has {classes} classes")
        return given
    import losses

    counts = cache.meta["counts"]["train"]
    negatives = [known - positive for known, positive in zip(counts["known"], counts["positives"], strict=True)]
    weights = losses.class_weights(config.class_weights, counts["positives"], negatives, config.max_weight)
    return dict(zip(("positive_weights", "negative_weights"), weights, strict=True))


def show_weights(cache, positive_weights, negative_weights) -> None:
    """Print the class weights as a table."""
    from report import tables

    counts = cache.meta["counts"]["train"]["positives"]
    rows = zip(cache.class_names, counts, positive_weights, negative_weights, strict=True)
    tables.show(
        "Class weights",
        ("class", "training images", "w+", "w−"),
        ((name, f"{count:,}", f"{positive:.3g}", f"{negative:.3g}") for name, count, positive, negative in rows),
    )


def fit(config: Config, cache, rows: dict, model, loss) -> None:
    """Train, and leave the model with the weights of its best epoch by validation mAP."""
    import keras

    import run_folder
    from data.batches import TrainingBatches
    from report import curves
    from training import callbacks, devices

    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=loss,
        jit_compile=devices.jit_compile(config.jit_compile),
    )
    batches = TrainingBatches(cache, with_labels(cache, rows["train"]), config.batch_size, config.seed)
    best_path = config.run_dir / "checkpoint" / "best.weights.h5"
    best_path.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout.isatty()
    progress = callbacks.Progress(
        config.run_dir / "timing.csv", config.epochs, batches.steps_per_epoch * batches.batch_size, plain=not terminal
    )
    history = callbacks.History(config.run_dir / run_folder.HISTORY)
    watch = {"monitor": "val_mAP", "mode": "max"}
    used = [
        progress,
        callbacks.SplitMetrics(cache, rows, loss, config.batch_size, config.train_metrics_every),
        history,
        keras.callbacks.ModelCheckpoint(best_path, save_best_only=True, save_weights_only=True, **watch),
    ]
    if config.patience:
        used.append(keras.callbacks.EarlyStopping(patience=config.patience, **watch))
    used.append(callbacks.EpochEnd(progress))
    model.fit(
        batches,
        epochs=config.epochs,
        steps_per_epoch=batches.steps_per_epoch,
        shuffle=False,
        callbacks=used,
        verbose=1 if terminal else 0,
    )
    model.load_weights(best_path)
    sentence = curves.reading(history.rows, config.epochs)
    curves.draw(history.rows, sentence, config.run_dir / "learning_curves.png")
    print(sentence)
    print(f"Learning curves: {config.run_dir / 'learning_curves.png'}")


def store_scores(config: Config, cache, rows: dict, model) -> None:
    """Score every split once, for all scripts that follow."""
    from scipy.special import expit

    import run_folder
    from data.batches import image_batches, score

    for split, places in rows.items():
        if len(places):
            logits = score(model, image_batches(cache, places, config.batch_size), config.batch_size)
            ids = [cache.ids[place] for place in places]
            run_folder.write_scores(config.run_dir, split, ids, expit(logits), cache.labels[places])


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
