"""How much memory does preprocessing take? preprocess.py on many small files, against a loop over Pillow that puts all
images into one float32 array: python -m bench.preprocess_memory

Each in a process of its own, whose anonymous memory is watched with that of its workers. Linux alone.
"""

from dataclasses import dataclass
from pathlib import Path

import header
from header import Fraction, NonNegativeInt, PositiveInt, Seed


@dataclass(frozen=True)
class Config:
    counts: tuple[PositiveInt, ...] = (10_000, 100_000)  # files
    size: PositiveInt = 64  # side of the files and of the prepared images, pixels
    classes: PositiveInt = 28  # labels an image
    workers: NonNegativeInt = 2  # processes of preprocess.py; 0: one a core
    share: Fraction = 0.5  # of the free memory that the array may take; a larger one is worked out, not measured
    seed: Seed = 0  # of pixels and labels


DIFFERENT = 32  # pictures; each file holds one of them and its own number, so that no two have the same bytes
LOOP = """
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder, size = Path(sys.argv[1]), int(sys.argv[2])
paths = sorted(folder.iterdir())
images = np.zeros((len(paths), size, size, 3), np.float32)
for place, path in enumerate(paths):
    with Image.open(path) as image:
        images[place] = np.asarray(image.convert("RGB").resize((size, size))) / 255
"""


def main(config: Config) -> None:
    import tempfile

    from report import tables

    rows = []
    for count in config.counts:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(config, Path(folder), count))
    tables.show(
        f"Anonymous memory at most, MB: files of {config.size}² to {config.size}²",
        ["images", "preprocess.py", "main process\nalone", "bytes an image", "loop, one array", "times as much"],
        rows,
    )


def row(config: Config, folder: Path, count: int) -> list[str]:
    """A row of the table, measured here."""
    from bench.watched import Watched
    from training import memory

    write_files(config, folder, count)
    options = {
        "image_dir": folder / "images", "labels_csv": folder / "labels.csv", "cache_dir": folder / "cache",
        "size": config.size, "workers": config.workers, "seed": config.seed,
    }  # fmt: skip
    with Watched(
        ["preprocess.py", *(word for name, value in options.items() for word in (f"--{name}", value))]
    ) as ours:
        ours.wait()
    needed = count * config.size**2 * 3 * 4
    if needed <= config.share * (memory.available() or needed):
        with Watched(["-c", LOOP, folder / "images", config.size]) as loop:
            loop.wait()
        taken, how = loop.peak.anonymous, ""
    else:
        taken, how = needed, " (worked out)"
    own = ours.peak
    return [
        f"{count:,}",
        f"{own.anonymous / 1e6:,.0f}",
        f"{own.main / 1e6:,.0f}",
        f"{own.anonymous / count:,.0f}",
        f"{taken / 1e6:,.0f}{how}",
        f"{taken / own.anonymous:.1f}",
    ]


def write_files(config: Config, folder: Path, count: int) -> None:
    """`count` JPEG files in images/ and labels.csv beside it."""
    import io

    import numpy as np
    from PIL import Image

    random = np.random.default_rng(config.seed)
    coarse = random.integers(0, 256, (DIFFERENT, 8, 8, 3), dtype=np.uint8)
    pictures = []
    for pixels in coarse:
        Image.fromarray(pixels).resize((config.size, config.size)).save(file := io.BytesIO(), "JPEG")
        pictures.append(file.getvalue())
    (folder / "images").mkdir()
    lines = ["Id,Target"]
    drawn = random.integers(0, config.classes, count)
    for number in range(count):
        # A comment segment behind the start of the image: its mark, its length, and text.
        start, rest = pictures[number % DIFFERENT][:2], pictures[number % DIFFERENT][2:]
        comment = b"\xff\xfe" + (2 + 8).to_bytes(2, "big") + f"{number:08d}".encode()
        (folder / "images" / f"{number:07d}.jpg").write_bytes(start + comment + rest)
        lines.append(f"{number:07d},{drawn[number]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(header.parse(Config, __doc__))
