"""What a header lists for its reader and a module lists again, where it is implemented: the two are the same."""

import inspect
import re
from dataclasses import fields
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import export
import losses
import models
from data.augmentation import mixing, operations, plan
from data.batches import sampling, test_time_augmentation
from data.images import preparation
from data.labels import label_forms, labels, reading
from data.labels.class_folders import read_class_folders
from models import backbone, hierarchical
from thresholding import methods, objectives
from training import devices, optimizers

SCRIPTS = ("preprocess", "augment", "train", "thresholds", "evaluate", "predict", "export")


def choices(annotation: Any) -> set[Any]:
    """Return the values of all `Literal`s in an annotation."""
    parts = get_args(annotation)
    return set(parts) if get_origin(annotation) is Literal else set().union(*map(choices, parts))


def choices_of(owner: Any, name: str) -> set[Any]:
    """Return the choices of a dataclass's field or of a function's parameter."""
    return choices(get_type_hints(owner, include_extras=True)[name])


def known(build: Any, *arguments: Any) -> set[str]:
    """Return the names that a function lists if it gets another one."""
    with pytest.raises(ValueError, match="known: ") as caught:
        build("?", *arguments)
    return set(str(caught.value).rpartition("known: ")[2].split(", "))


HEADERS = {
    f"{script}.{field.name}": choices_of(config, field.name)
    for script in SCRIPTS
    for config in [import_module(script).Config]
    for field in fields(config)
    if choices_of(config, field.name)
}
BELOW_A_HEAD = set(models.BUILDERS) - {"hierarchical"}
IMPLEMENTED = {  # field → the same choices in each module that has them
    "preprocess.empty_target": [choices_of(each, "empty_target") for each in (reading.Reading, labels.read_labels)],
    "preprocess.duplicates": [choices_of(each, "duplicates") for each in (reading.Reading, read_class_folders)],
    "preprocess.resize": [choices(preparation.ResizeMode)],
    "augment.partner": [choices(plan.Partner)],
    "augment.operations": [choices(operations.Operation)],
    "augment.interpolation": [set(operations.INTERPOLATIONS), choices_of(operations.Ranges, "interpolation")],
    "train.deterministic": [choices_of(devices.make_deterministic, "choice")],
    "train.jit_compile": [choices_of(devices.jit_compile, "choice")],
    "train.model": [set(models.BUILDERS)],
    "train.extractor": [BELOW_A_HEAD, set(optimizers.LEARNING_RATES) - choices(backbone.Trainable)],
    "train.trainable": [choices(backbone.Trainable), set(optimizers.LEARNING_RATES) - BELOW_A_HEAD],
    "train.head": [choices(hierarchical.Head)],
    "train.loss": [set(losses.LOSSES)],
    "train.class_weights": [{"by_hand", "balanced", *losses.SCHEMES}],
    "train.optimizer": [set(optimizers.WEIGHT_DECAYS), known(optimizers.build, 0.1)],
    "train.schedule": [choices(optimizers.Schedule), known(optimizers.schedule, 0.1, 10, 0.3)],
    "train.sampling": [choices(sampling.Sampling)],
    "train.mixing": [choices(mixing.Mixing)],
    "train.score_views": [choices(test_time_augmentation.View)],
    "train.operations": [choices(operations.Operation)],
    "train.repeat_operations": [choices(operations.Operation)],
    "train.interpolation": [set(operations.INTERPOLATIONS)],
    "thresholds.method": [set(methods.METHODS)],
    "thresholds.objective": [set(objectives.OBJECTIVES)],
    "evaluate.compare_on": [set(label_forms.SPLITS) - {"train"}],
    "predict.on_bad_image": [HEADERS["preprocess.on_bad_image"]],
    "export.formats": [set(export.WRITERS)],
}
# No module has a list of these: the code compares with one of the names, or passes it on to Keras.
HEADER_ALONE = {
    "preprocess.near_duplicates", "preprocess.on_leak", "preprocess.on_bad_image", "augment.method", "augment.labels",
    "train.devices", "train.precision", "predict.format",
}  # fmt: skip


@pytest.mark.parametrize("field", IMPLEMENTED)
def test_a_header_offers_what_the_modules_implement(field):
    for implemented in IMPLEMENTED[field]:
        assert HEADERS[field] == implemented


def test_every_list_of_choices_is_compared():
    assert set(HEADERS) == {*IMPLEMENTED, *HEADER_ALONE}


def ranges(config: Any) -> list[tuple[Any, ...]]:
    """Return name, type, default and comment of each field that `Ranges` has, of `operations` name and type alone."""
    comments = dict(re.findall(r"^    (\w+): .+?  # (.+)$", inspect.getsource(config), re.MULTILINE))
    hints = get_type_hints(config, include_extras=True)
    first, *names = [field.name for field in fields(operations.Ranges)]
    return [(first, hints[first]), *((name, hints[name], getattr(config, name), comments[name]) for name in names)]


@pytest.mark.parametrize("script", ["augment", "train"])
def test_the_headers_have_the_ranges_of_the_operations(script):
    assert ranges(import_module(script).Config) == ranges(operations.Ranges)
