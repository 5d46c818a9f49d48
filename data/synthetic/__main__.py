"""Render made fluorescence images with labels, for a start without data. Same seed, same bytes on one machine.

python -m data.synthetic --image_dir images/made --labels_csv images/made.csv --count 1000 --size 256
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.errors import Faults, InputError
from common.files import read_json, write_json, write_text, written_aside
from common.parallel import in_parallel
from data.labels.labels import read_labels, write_labels
from data.synthetic.image import VERSION, render
from data.synthetic.labels import balanced_labels, draw_labels, image_id
from data.synthetic.organelles import CLASS_NAMES

# One format for all, so that it tells nothing about the classes; colours at full resolution, as they carry the labels.
EXTENSION = ".jpg"
QUALITY = 95
RECORD = "synthetic.json"
CHUNK = 16  # images a task


@dataclass(frozen=True)
class Config:
    image_dir: Path = Path("images/made")  # folder for the images; made if need be
    labels_csv: Path = Path("images/made.csv")  # labels are written here, as `Id,Target`
    classes_file: Path | None = None  # class names are written here; None: classes.txt beside labels_csv
    count: int = 1000  # images; with label_rows, 0 takes every row
    size: int = 256  # nominal side in pixels; an image's sides are 0.85 to 1.2 times as long
    seed: int = 0  # the whole set follows from it
    label_rows: Path | None = None  # a labels CSV with class ids whose rows are rendered; None: labels are drawn
    images_per_class: int = 0  # above 0: so many images of every class instead of count, to compare classes
    workers: int = 0  # processes; 0: as many as cores
    overwrite: bool = False  # replace what an earlier run with other settings wrote


@dataclass(frozen=True)
class Plan:
    """What is to be rendered: ids, multi-hot labels (N, K) uint8, the K class names."""

    ids: list[str]
    labels: np.ndarray
    class_names: list[str]


def main(config: Config) -> None:
    """Render the set; what an interrupted run with the same settings has finished is kept."""
    config = replace(config, classes_file=config.classes_file or config.labels_csv.with_name("classes.txt"))
    _check(config)
    plan = make_plan(config)
    settings = _settings(config, plan)
    _open_folder(config, settings)
    tasks = [
        (identifier, np.flatnonzero(row).tolist())
        for identifier, row in zip(plan.ids, plan.labels, strict=True)
        if not (config.image_dir / f"{identifier}{EXTENSION}").exists()
    ]
    _render_all(config, tasks)
    _write_labels(config, plan)
    _write_record(config, settings, finished=True)
    print(
        f"{len(plan.ids)} images in {config.image_dir} ({len(tasks)} of them new), labels in {config.labels_csv}, "
        f"{len(plan.class_names)} classes in {config.classes_file}"
    )
    print(f"{plan.labels.sum() / len(plan.ids):.2f} labels an image; {class_sizes(plan)}")


def class_sizes(plan: Plan) -> str:
    """How many images the largest and the smallest class have, in words."""
    positives = plan.labels.sum(axis=0)
    (most, largest), (least, smallest) = ((positives[at], plan.class_names[at]) for at in
                                          (positives.argmax(), positives.argmin()))  # fmt: skip
    if most == least:
        return f"{most} of every class"
    return f"largest class {largest} ({most}), smallest {smallest} ({least})"


def cache_dir(image_dir: Path, size: int) -> Path:
    """A name for the cache of a set: that of its folder, or of the one above where this only says images."""
    folder = image_dir.resolve()
    name = folder.parent.name if folder.name == "images" else folder.name
    return Path("cache") / f"{name or 'made'}-{size}"


def _check(config: Config) -> None:
    faults = Faults()
    lowest = {
        "count": 0 if config.label_rows or config.images_per_class else 1,
        "size": 32,
        "seed": 0,
        "images_per_class": 0,
        "workers": 0,
    }
    for name, least in lowest.items():
        if getattr(config, name) < least:
            faults.add(f"{name} = {getattr(config, name)}: must be {least} or more")
    if config.label_rows and config.images_per_class:
        faults.add("label_rows and images_per_class: give one of them, as both decide the labels")
    if config.label_rows and not config.label_rows.is_file():
        faults.add(f"label_rows = {config.label_rows}: no such file")
    if config.label_rows and config.label_rows.resolve() in (
        config.labels_csv.resolve(),
        config.classes_file.resolve(),
    ):
        faults.add(
            f"label_rows = {config.label_rows}: is also the file to write; give labels_csv and classes_file other names"
        )
    if config.labels_csv.resolve() == config.classes_file.resolve():
        faults.add(f"classes_file = {config.classes_file}: is also labels_csv; give it another name")
    faults.raise_if_any("these values cannot be used:")


def make_plan(config: Config) -> Plan:
    """Return the ids and labels to render.

    Raises:
        InputError: `label_rows` is not a labels CSV with class ids of this vocabulary, or an Id cannot name a file.
    """
    if config.label_rows:
        return _planned_rows(config)
    if config.images_per_class:
        labels = balanced_labels(config.images_per_class, config.seed)
    else:
        labels = draw_labels(config.count, config.seed)
    return Plan([image_id(index) for index in range(len(labels))], labels, list(CLASS_NAMES))


def _planned_rows(config: Config) -> Plan:
    faults = Faults()
    table = read_labels(config.label_rows, None, faults)
    faults.raise_if_any(f"{config.label_rows} cannot be rendered:")
    if not all(name.isdigit() and int(name) < len(CLASS_NAMES) for name in table.class_names):
        raise InputError(
            f"{config.label_rows}: Target must hold class ids from 0 to {len(CLASS_NAMES) - 1}, separated by spaces"
        )
    for line, identifier in zip(table.lines, table.ids, strict=True):
        if identifier in ("", ".", "..") or set(identifier) & set('/\\:*?"<>|\0'):
            faults.add(f"line {line}: Id {identifier!r} cannot be a file's name")
    faults.raise_if_any(f"{config.label_rows} cannot be rendered:")
    classes = [int(name) for name in table.class_names]
    # The challenge's vocabulary has no Vesicles; they join where the rows do.
    width = len(CLASS_NAMES) if max(classes) == len(CLASS_NAMES) - 1 else len(CLASS_NAMES) - 1
    labels = np.zeros((len(table.ids), width), np.uint8)
    labels[:, classes] = table.labels == 1
    order = np.random.Generator(np.random.Philox(config.seed)).permutation(len(labels))[: config.count or None]
    return Plan([table.ids[row] for row in order], labels[order], list(CLASS_NAMES[:width]))


def _settings(config: Config, plan: Plan) -> dict:
    digest = hashlib.sha256("\n".join(plan.ids).encode() + plan.labels.tobytes()).hexdigest()
    return {
        "version": VERSION,
        "count": len(plan.ids),
        "size": config.size,
        "seed": config.seed,
        "format": f"{EXTENSION} {QUALITY}",
        "labels_sha256": digest,
    }


def _open_folder(config: Config, settings: dict) -> None:
    """Make the folder, or go on in one that was begun with the same settings; never mix two sets."""
    record = config.image_dir / RECORD
    earlier = read_json(record) if record.is_file() else None
    if earlier is not None and not isinstance(earlier, dict):
        raise InputError(f"{record} is damaged; give image_dir a new folder")
    if earlier is None and config.image_dir.is_dir() and any(config.image_dir.iterdir()):
        raise InputError(f"{config.image_dir} holds other files and no {RECORD}; give image_dir an empty or new folder")
    if earlier is not None:
        other = [name for name in settings if earlier.get(name) != settings[name]]
        if other and not config.overwrite:
            raise InputError(
                f"{config.image_dir} was made with other settings ({', '.join(other)}); give image_dir a new folder, "
                "or replace it with --overwrite"
            )
        if other:
            for path in config.image_dir.glob(f"*{EXTENSION}"):
                path.unlink()
    for path in (config.labels_csv, config.classes_file):
        own = earlier is not None and str(path.resolve()) in earlier.get("written", [])
        if path.exists() and not own and not config.overwrite:
            raise InputError(
                f"{path} exists and was not written by this set; give another name, or replace it with --overwrite"
            )
    config.image_dir.mkdir(parents=True, exist_ok=True)
    _write_record(config, settings, finished=False)


def _write_record(config: Config, settings: dict, finished: bool) -> None:
    written = [str(path.resolve()) for path in (config.labels_csv, config.classes_file)]
    write_json(config.image_dir / RECORD, {**settings, "written": written, "finished": finished})


def _render_all(config: Config, tasks: list[tuple[str, list[int]]]) -> None:
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    calls = [(chunk, config.image_dir, config.size, config.seed) for chunk in chunks]
    for _ in in_parallel(render_chunk, calls, [len(chunk) for chunk in chunks], config.workers, "rendering"):
        pass


def render_chunk(tasks: list[tuple[str, list[int]]], image_dir: Path, size: int, seed: int) -> int:
    """Render and write images of (id, label indices); return how many."""
    import cv2

    cv2.setNumThreads(1)  # the processes fill the cores already
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    for identifier, labels in tasks:
        pixels = cv2.cvtColor(render(labels, size, seed, identifier), cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(EXTENSION, pixels, options)[1]
        with written_aside(image_dir / f"{identifier}{EXTENSION}") as aside:
            aside.write_bytes(encoded.tobytes())
    return len(tasks)


def _write_labels(config: Config, plan: Plan) -> None:
    write_labels(config.labels_csv, plan.ids, plan.labels, plan.class_names, form="ids")
    write_text(config.classes_file, "".join(f"{name}\n" for name in plan.class_names))


if __name__ == "__main__":
    import header

    chosen = header.parse(Config, __doc__)
    main(chosen)
    classes = chosen.classes_file or chosen.labels_csv.with_name("classes.txt")
    header.next_command(
        "preprocess.py",
        image_dir=chosen.image_dir,
        labels_csv=chosen.labels_csv,
        classes_file=classes,
        size=chosen.size,
        cache_dir=cache_dir(chosen.image_dir, chosen.size),
    )
