"""Write a run's model for use without this toolkit: python export.py --run_dirs runs/cells --formats onnx saved_model

Images go in as uint8, probabilities come out. The file says the classes, their thresholds and how pixels are to be
prepared; docs/export.md classifies an image with it in ten lines. A CNN takes 6 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import header

if TYPE_CHECKING:
    import keras
    import numpy as np
    from onnx import ModelProto

    from run_folder import Run

DESCRIPTION = Path("assets.extra") / "description.json"  # in a SavedModel, the place that TensorFlow leaves to others
LARGEST_ONNX = 2_000_000_000  # bytes of weights; an ONNX file, one protobuf message, ends at 2 GiB
CHECKED = 4  # images of noise that the written file and the model have to agree on
AGREEMENT = 1e-4  # greatest difference of two probabilities


@dataclass(frozen=True)
class Config:
    run_dirs: tuple[Path, ...] = (Path("runs/cells"),)  # a run that train.py finished; its cache is not needed
    formats: tuple[Literal["onnx", "saved_model"], ...] = ("onnx",)  # one file for many runtimes; TensorFlow's folder
    thresholds_dir: Path | None = None  # the folder of the thresholds.json to use; None: the run's own, or 0.5
    output_dir: Path | None = None  # where model.onnx and saved_model/ go; None: export/ in the run's folder
    overwrite: bool = False  # replace what an earlier export wrote there


def main(config: Config) -> None:
    import models
    import run_folder
    from common.errors import InputError
    from data.batches.test_time_augmentation import Views

    if len(config.run_dirs) != 1:
        raise InputError(f"run_dirs holds {len(config.run_dirs)} runs, but one run is exported at a time")
    if not config.formats:
        raise InputError(f"formats is empty; give one or more of {', '.join(WRITERS)}")
    run = run_folder.open_run(config.run_dirs[0])
    output_dir = config.output_dir or run.directory / "export"
    paths = {name: output_dir / WRITERS[name][0] for name in dict.fromkeys(config.formats)}
    for path in paths.values():
        if path.exists() and not config.overwrite:
            raise InputError(f"{path} exists; give --overwrite to replace it, or another --output_dir")
    described, source = description(run, config.thresholds_dir)
    model = models.in_float32(run.load_model())
    print(f"{model.name}: {model.count_params():,} parameters, {len(run.class_names)} classes; thresholds: {source}")
    for name, path in paths.items():
        found = WRITERS[name][1](model, described, path)
        print(f"Wrote {path}, {size_of(path) / 1e6:.1f} MB; {found}")
    images = " × ".join("any" if side is None else str(side) for side in model.input_shape[1:])
    print(f"It takes uint8 images (N, {images}), prepared as docs/export.md says, and gives probabilities.")
    if run.views != Views():
        print(f"Warning: the thresholds are for {run.views}; whoever runs the file must take the same mean")
    print("Next: docs/export.md shows how other programs use it")


def description(run: "Run", thresholds_dir: Path | None) -> tuple[dict[str, Any], str]:
    """What a program needs to know that uses the exported model, ready for JSON, and where the thresholds come from.

    Raises:
        InputError: thresholds are asked for and missing, or damaged.
    """
    preparation = run.checked_preparation()
    thresholds_run = run.with_directory(thresholds_dir)
    tuned = thresholds_run.decision_if_any(required=bool(thresholds_dir))
    thresholds = tuned.thresholds.tolist() if tuned else [0.5] * len(run.class_names)
    source = str(thresholds_run.thresholds_path) if tuned else "0.5 (the run has none; thresholds.py tunes them)"
    made = {name: run.config.get(name) for name in ("created", "versions", "git_commit")}
    described = {
        "class_names": run.class_names,
        "thresholds": rounded_up(thresholds),
        "thresholds_tuned": tuned is not None,
        "class_ids": run.class_ids,
        "at_least_one": tuned is not None and tuned.at_least_one,
        **({"classes": run.tree.classes, "parents": run.tree.parents.tolist()} if run.tree else {}),
        "image_shape": list(preparation.shape),
        "shapes": [list(shape) for shape in preparation.shapes],
        "score_scales": list(run.views.scales),
        "score_views": run.views.kind,
        "channel_names": preparation.channel_names,
        "preparation": preparation.as_dict(),
        "trained": made,
    }
    return described, source


def rounded_up(thresholds: list[float]) -> list[float]:
    """The lowest float32 numbers at or above thresholds.

    A float32 score is at or above the one where it is at or above the other. NumPy and other programs round a threshold
    to the scores' float32 before they compare, which would let a score pass that lies just below it.
    """
    import numpy as np

    exact = np.array(thresholds, dtype=np.float64)
    near = exact.astype(np.float32)
    return np.where(near < exact, np.nextafter(near, np.float32(np.inf)), near).tolist()


def write_onnx(model: "keras.Model", described: dict[str, Any], path: Path) -> str:
    """Write one file whose metadata is the description, each entry as JSON.

    Returns:
        How well it agrees with the model, in words.

    Raises:
        InputError: packages are missing, the weights are too large, or ONNX lacks an operation of the model.
    """
    import json

    from common.errors import InputError
    from common.files import written_aside

    size = 4 * model.count_params()
    if size > LARGEST_ONNX:
        raise InputError(
            f"the weights take {size / 1e9:.1f} GB, but an ONNX file holds 2 GB at most; give --formats saved_model, "
            "or train with --global_pooling, which has far fewer"
        )
    with written_aside(path) as aside:
        converted(model, aside)
        import onnx

        graph = onnx.load(aside)
        refuse_unknown_operations(graph)
        name_ends(graph)
        onnx.helper.set_model_props(
            graph, {name: json.dumps(value, ensure_ascii=False) for name, value in described.items()}
        )
        onnx.save(graph, aside)
        return agreement(model, described["shapes"], onnx_runner(aside), "ONNX Runtime")


def converted(model: "keras.Model", path: Path) -> None:
    """Let Keras write the model as ONNX; what its converter says on the way concerns its developers alone."""
    import logging
    import warnings

    import keras

    from common.errors import InputError

    signature = [keras.InputSpec(shape=model.input_shape, dtype="uint8", name="images")]
    converter = logging.getLogger("tf2onnx")
    level = converter.level
    converter.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.export(path, format="onnx", verbose=False, input_signature=signature)
    except ImportError as error:
        raise InputError(
            f"formats = onnx needs a package that is not installed ({error}); pip install -r requirements.txt has it"
        ) from None
    finally:
        converter.setLevel(level)


def refuse_unknown_operations(graph: "ModelProto") -> None:
    """The converter leaves an operation that it does not know under TensorFlow's name, and no runtime takes that."""
    import onnx

    from common.errors import InputError

    known = {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas()}
    strange = sorted({node.op_type for node in graph.graph.node if (node.domain, node.op_type) not in known})
    if strange:
        raise InputError(
            f"the converter knows no ONNX operation for {', '.join(strange)} of this model; "
            "give --formats saved_model, which holds any model"
        )


def name_ends(graph: "ModelProto") -> None:
    """Name the output `probabilities` and the first axis of input and output `batch`, whose size is left open."""
    output = graph.graph.output[0]
    for node in graph.graph.node:
        for place, name in enumerate(node.output):
            if name == output.name:
                node.output[place] = "probabilities"
    output.name = "probabilities"
    for end in (graph.graph.input[0], output):
        end.type.tensor_type.shape.dim[0].dim_param = "batch"


def onnx_runner(path: Path) -> Callable[["np.ndarray"], "np.ndarray"] | None:
    """What ONNX Runtime makes of images, or None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})[0]


def write_saved_model(model: "keras.Model", described: dict[str, Any], path: Path) -> str:
    """Write TensorFlow's folder, endpoint `serve`, with the description inside it; returns as `write_onnx` does."""
    import shutil

    import keras

    from common.errors import InputError
    from common.files import partial_dir, write_json

    partial = partial_dir(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    signature = [keras.InputSpec(shape=model.input_shape, dtype="uint8", name="images")]
    try:
        model.export(partial, format="tf_saved_model", verbose=False, input_signature=signature)
        import tensorflow

        loaded = tensorflow.saved_model.load(str(partial))
        found = agreement(model, described["shapes"], lambda images: loaded.serve(images).numpy(), "TensorFlow")
        write_json(partial / DESCRIPTION, described)
        # An earlier one goes only when this one is whole.
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    except ImportError as error:
        raise InputError(f"formats = saved_model needs TensorFlow, which is not installed ({error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def agreement(
    model: "keras.Model",
    shapes: list[list[int]],
    run: Callable[["np.ndarray"], "np.ndarray"] | None,
    runtime: str,
) -> str:
    """How far the written file's probabilities lie from the model's on images of noise, in words.

    Args:
        model: the model. run: what the file makes of images; None where nothing can run it. runtime: what runs it.
        shapes: of the images; a model of open sides is tried on others as well.

    Raises:
        InputError: further than rounding explains.
    """
    import numpy as np

    from common.errors import InputError

    if run is None:
        return f"not checked, as {runtime} is not installed here: pip install {runtime.lower().replace(' ', '')}"
    if None in model.input_shape[1:]:
        # Sides that no grid and no stride divides.
        shapes = [*shapes, *([height + 13, width + 27, channels] for height, width, channels in shapes)]
    random, apart = np.random.default_rng(0), 0.0
    for shape in shapes:
        images = random.integers(0, 256, (CHECKED, *shape), dtype=np.uint8)
        # Unlike Python's, this maximum is nan where one of the two is.
        apart = float(np.maximum(apart, np.abs(run(images) - np.asarray(model(images, training=False))).max()))
    if not apart <= AGREEMENT:
        raise InputError(f"{runtime} gives probabilities that lie {apart:.2g} from the model's: nothing was written")
    return f"{runtime} gives the model's probabilities to within {apart:.1g}"


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(each.stat().st_size for each in ([path] if path.is_file() else path.rglob("*")) if each.is_file())


WRITERS = {"onnx": ("model.onnx", write_onnx), "saved_model": ("saved_model", write_saved_model)}


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
