"""Optimizers and learning-rate schedules by name."""

import math
from typing import Literal

import keras
from keras import ops

from training.averages import AveragedSteps
from training.config import Config

Schedule = Literal["constant", "cosine", "one_cycle"]
START, END = 25.0, 1e4  # one_cycle begins at the peak / START and ends at that / END (Smith and Topin 2019)
LEARNING_RATES = {  # what trains → the highest rate of adam and adamw, and of sgd, at a batch of 32; docs/models.md
    "cnn": (0.001, 0.05),
    "residual": (0.003, 0.05),
    "vgg16": (0.0001, 0.005),
    "resnet50": (0.001, 0.05),
    "backbone": (0.001, 0.05),
    "head": (0.001, 0.1),
    "last_stage": (0.0003, 0.005),
    "all": (0.0001, 0.001),
}
WEIGHT_DECAYS = {"adam": 0.0, "adamw": 0.05, "sgd": 0.0005}
UNDECAYED = ("bias", "gamma", "beta")  # weight decay pulls weights to 0, which is no sensible place for these


@keras.saving.register_keras_serializable("toolkit")
class WarmedUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from `start` to `peak`, then half a cosine down to `end`, which it keeps.

    Loshchilov and Hutter, "SGDR" (ICLR 2017), eq. 5, without restarts; with a long rise it is the one-cycle policy of
    Smith and Topin, "Super-convergence" (2019).

    Args:
        peak: the highest learning rate.
        warmup_steps: steps of the rise, 0 for none.
        total_steps: steps until `end` is reached.
        start, end: learning rates before the first and after the last step.
        accumulation: batches per step. Keras calls a schedule with its count of batches.
    """

    def __init__(
        self, peak: float, warmup_steps: int, total_steps: int, start: float = 0.0, end: float = 0.0,
        accumulation: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.peak, self.warmup_steps, self.total_steps, self.start, self.end, self.accumulation = (
            peak, warmup_steps, total_steps, start, end, accumulation,
        )  # fmt: skip

    def __call__(self, batch):
        step = ops.cast(batch // self.accumulation, "float32")
        rise = self.start + (self.peak - self.start) * (step + 1) / max(self.warmup_steps, 1)
        share = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        fall = self.end + (self.peak - self.end) * 0.5 * (1 + ops.cos(math.pi * ops.clip(share, 0.0, 1.0)))
        return ops.where(step < self.warmup_steps, rise, fall)

    def get_config(self):
        return {
            "peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps,
            "start": self.start, "end": self.end, "accumulation": self.accumulation,
        }  # fmt: skip


def highest_rate(config: Config) -> float:
    """The header's `learning_rate`, or where that is None what suits the model, whether it is pretrained, and the
    optimizer, from `LEARNING_RATES`."""
    if config.learning_rate is not None:
        return config.learning_rate
    trains = config.extractor if config.model == "hierarchical" else config.model
    if trains in ("resnet50", "backbone") and (config.weights != "none" or config.start_from):
        trains = "head" if config.head_epochs else config.trainable
    return LEARNING_RATES[trains][config.optimizer == "sgd"]


def resolved(config: Config) -> dict[str, float]:
    """The highest learning rate and the weight decay, the header's or what suits."""
    decay = WEIGHT_DECAYS[config.optimizer] if config.weight_decay is None else config.weight_decay
    return {"learning_rate": highest_rate(config), "weight_decay": decay}


def messages(config: Config) -> list[str]:
    """The learning rate and the weight decay, in a line, where the header leaves one of them open."""
    if None not in (config.learning_rate, config.weight_decay):
        return []
    found = resolved(config)
    return [
        f"{config.optimizer}: learning rate {found['learning_rate']:g} at its highest, weight decay "
        f"{found['weight_decay']:g}"
    ]


def schedule(
    name: Schedule, learning_rate: float, total_steps: int, warmup: float, accumulation: int = 1
) -> float | WarmedUp:
    """Return the learning rate over `total_steps`.

    Args:
        name: `constant` (after the warm-up), `cosine`, or `one_cycle`.
        learning_rate: the highest.
        total_steps: steps of the optimizer in the whole run.
        warmup: fraction of the steps in which it rises.
        accumulation: batches whose gradients make one step.

    Raises:
        ValueError: the name is unknown.
    """
    rising = round(warmup * total_steps)
    if name == "constant":
        if not rising:
            return learning_rate
        return WarmedUp(learning_rate, rising, total_steps, end=learning_rate, accumulation=accumulation)
    if name == "cosine":
        return WarmedUp(learning_rate, rising, total_steps, accumulation=accumulation)
    if name == "one_cycle":
        start = learning_rate / START
        return WarmedUp(learning_rate, rising, total_steps, start, start / END, accumulation)
    raise ValueError(f"unknown schedule {name!r}; known: constant, cosine, one_cycle")


def build(
    name: str, learning_rate: float | WarmedUp, weight_decay: float = 0.0, momentum: float = 0.9,
    clip_norm: float = 0.0, ema: float = 0.0, accumulation: int = 1,
) -> keras.optimizers.Optimizer:  # fmt: skip
    """An optimizer by its name.

    Args:
        name: `adam`, `adamw` (Loshchilov and Hutter 2019) or `sgd` (with Nesterov momentum).
        learning_rate: a number or what `schedule` gives.
        weight_decay: decoupled, times the learning rate; not on biases and norms. 0 for none.
        momentum: of sgd.
        clip_norm: greatest norm of all gradients together; 0 for no limit.
        ema: highest decay of the average of the weights per step, see `AveragedSteps`; 0 for none.
        accumulation: batches whose gradients are averaged before a step.

    Raises:
        ValueError: the name is unknown.
    """
    options = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay if name == "adamw" else weight_decay or None,
        "global_clipnorm": clip_norm or None,
        "use_ema": ema > 0,
        "gradient_accumulation_steps": accumulation if accumulation > 1 else None,
    }
    if ema:
        options["ema_momentum"] = ema
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    if name not in kinds:
        raise ValueError(f"unknown optimizer {name!r}; known: {', '.join(kinds)}")
    if name == "sgd":
        options |= {"momentum": momentum, "nesterov": momentum > 0}
    kind = type(f"Averaged{name}", (AveragedSteps, kinds[name]), {}) if ema else kinds[name]
    optimizer = kind(**options)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(UNDECAYED))
    return optimizer
