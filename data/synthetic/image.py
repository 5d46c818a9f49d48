"""One made image: a field of cells, its three reference stains and the labelled protein, as a microscope shows them.

Everything that decides how hard the images are is in `DIFFICULTY`. It is frozen with `VERSION`: results that were
measured on made images hold for that version only, so whoever changes a number, or a drawing, raises the version.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.synthetic.cells import Field, make_field
from data.synthetic.curves import bridge_curves, microtubule_curves, spindle_curves
from data.synthetic.drawing import blur, dots, smooth_noise, strokes
from data.synthetic.organelles import CLASS_NAMES, ORGANELLES, endoplasmic_reticulum

VERSION = 2
Range = tuple[float, float]


@dataclass(frozen=True)
class Difficulty:
    """What makes the images hard. Ranges are drawn from evenly; light is in 0..1 of white."""

    first_label: Range = (0.75, 1.0)  # the protein's light at the strongest of its places
    other_labels: Range = (0.1, 0.5)  # its light at each further place, relative to the strongest
    cell_variation: float = 0.35  # spread (log-normal sigma) of the protein's level from cell to cell
    silent_cells: float = 0.1  # share of cells that hardly express the protein
    haze: Range = (0.03, 0.14)  # unspecific green light in all cells, as the cytosol gives
    unspecific_nuclei: Range = (0.0, 0.1)  # unspecific green light in nuclei
    bleed_through: Range = (0.03, 0.16)  # share of the yellow stain that the green channel catches
    background: Range = (0.0, 0.02)  # light between the cells
    shot_noise: Range = (0.04, 0.08)  # noise at full light; grows as the root of the light
    read_noise: Range = (0.015, 0.03)  # noise without light
    defocus: Range = (0.9, 1.3)  # factor on the sharpest spot
    illumination: Range = (0.1, 0.4)  # light lost towards the darkest side of the field
    dividing_unlabelled: float = 0.03  # share of fields with a mitosis that the protein has no part in
    bridging_unlabelled: float = 0.04  # the same for two daughter cells on a bridge
    cell_radius: Range = (0.225, 0.27)  # of the nominal image size
    side: Range = (0.85, 1.2)  # an image's width and height, of the nominal size


DIFFICULTY = Difficulty()


def generator(seed: int, image_id: str, purpose: str) -> np.random.Generator:
    """Return the counter-based generator of one image and one purpose; it depends on nothing else."""
    digest = hashlib.sha256(f"{VERSION}\n{seed}\n{purpose}\n{image_id}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def render(labels: Sequence[int], size: int, seed: int, image_id: str) -> np.ndarray:
    """Return an RGB image, uint8 (height, width, 3), both sides within `DIFFICULTY.side` times `size` pixels.

    The cells depend on the seed and the id alone, except that a labelled division or junction brings its cells along:
    images of one id that differ in labels can be compared.

    Args:
        labels: indices into `CLASS_NAMES`; none draws the stains without a protein.
        size: nominal side in pixels.
        seed: of the whole set.
        image_id: the image's own.
    """
    field, rng = _field({CLASS_NAMES[label] for label in labels}, size, seed, image_id)
    yellow = endoplasmic_reticulum(field, rng) * rng.uniform(0.6, 0.95)
    red = _microtubule_stain(field, rng)
    blue = _nucleus_stain(field, rng)
    green = _protein(field, labels, seed, image_id) + rng.uniform(*DIFFICULTY.bleed_through) * yellow
    green += rng.uniform(*DIFFICULTY.haze) * ORGANELLES["Cytosol"](field, rng)
    green += rng.uniform(*DIFFICULTY.unspecific_nuclei) * field.nucleus_mask
    # A composite of four stains has three channels: yellow is light in red and green.
    return _photograph([0.62 * red + 0.42 * yellow, green, 0.85 * blue + 0.05 * red], size, rng)


def _field(names: set[str], size: int, seed: int, image_id: str) -> tuple[Field, np.random.Generator]:
    rng = generator(seed, image_id, "field")
    height, width = (max(16, round(size * rng.uniform(*DIFFICULTY.side))) for _ in range(2))
    unit = size * rng.uniform(*DIFFICULTY.cell_radius)
    mitoses, bridges = rng.integers(1, 3, 2)
    by_chance = rng.random(2) < (DIFFICULTY.dividing_unlabelled, DIFFICULTY.bridging_unlabelled)
    return (
        make_field(
            generator(seed, image_id, "cells"),
            (height, width),
            unit,
            mitoses=int(mitoses) if by_chance[0] or "Mitotic spindle" in names else 0,
            bridges=int(bridges) if by_chance[1] or "Cytokinetic bridge" in names else 0,
            dense="Cell junctions" in names,
        ),
        rng,
    )


def _protein(field: Field, labels: Sequence[int], seed: int, image_id: str) -> np.ndarray:
    """Return the green light; each place has a generator of its own, so that one more label moves no other."""
    rng = generator(seed, image_id, "protein")
    strongest = rng.uniform(*DIFFICULTY.first_label)
    order = rng.permutation(len(CLASS_NAMES))
    ranked = sorted(set(labels), key=lambda label: order[label])
    count = len(field.centres)
    spread = np.exp(rng.normal(0, DIFFICULTY.cell_variation, count)) * np.where(
        rng.random(count) < DIFFICULTY.silent_cells, 0.25, 1.0
    )
    total = np.zeros(field.shape, np.float32)
    for rank, label in enumerate(ranked):
        own = generator(seed, image_id, f"protein {label}")
        strength = strongest * (1.0 if rank == 0 else own.uniform(*DIFFICULTY.other_labels))
        total += np.float32(strength) * ORGANELLES[CLASS_NAMES[label]](field, own)
    # Daughters on a bridge and cells in division must show it, so only the others vary.
    spread[np.concatenate([field.bridges.ravel(), field.mitotic])] = 1.0
    return total * np.maximum(field.level_map(spread), strokes(field.shape, bridge_curves(field), 0.2 * field.unit))


def _microtubule_stain(field: Field, rng: np.random.Generator) -> np.ndarray:
    filaments = strokes(field.shape, microtubule_curves(field, rng), 0.011 * field.unit, (255, 190, 135))
    spindles = strokes(field.shape, spindle_curves(field, rng), 0.022 * field.unit)
    bridges = strokes(field.shape, bridge_curves(field), 0.05 * field.unit) * 0.8
    cell = field.cell_mask * (0.35 + 0.65 * np.exp(-field.nucleus_distance / 0.5))
    round_cells = field.mask(field.mitotic, 1.0)
    stain = (filaments + 0.16 * cell) * (1 - round_cells) + round_cells * (0.32 + spindles)
    return stain * field.level_map(np.exp(rng.normal(0, 0.2, len(field.centres)))) + bridges


def _nucleus_stain(field: Field, rng: np.random.Generator) -> np.ndarray:
    chromatin = (
        0.8
        + 0.10 * smooth_noise(rng, field.shape, 0.12 * field.unit)
        + 0.06 * smooth_noise(rng, field.shape, 0.35 * field.unit)
    )
    levels = field.level_map(np.exp(rng.normal(-0.1, 0.2, len(field.centres))))
    stain = field.nucleus_mask * levels * chromatin * (1 - 0.45 * field.nucleoli_mask)
    cells = field.mitotic
    if not len(cells):
        return stain
    # A metaphase plate across the spindle, or, in anaphase, two plates on their way to the poles.
    apart = np.where(rng.random(len(cells)) < 0.35, 0.17, 0.0)
    along, across = (
        np.stack([np.cos(field.axis[cells] + turn), np.sin(field.axis[cells] + turn)], axis=1)
        for turn in (0, np.pi / 2)
    )
    plates = []
    for side in (-1, 1):
        offsets = np.linspace(-0.27, 0.27, 15)[None, :, None] + rng.normal(0, 0.01, (len(cells), 15, 1))
        shift = side * (apart[:, None, None] + 0.03) + rng.normal(0, 0.02, (len(cells), 15, 1))
        places = field.centres[cells][:, None] + field.unit * (offsets * across[:, None] + shift * along[:, None])
        plates.append(field.bend(places).reshape(-1, 2))
    return np.maximum(stain, np.minimum(1.2, dots(field.shape, np.concatenate(plates), 0.55, 0.042 * field.unit)))


def _photograph(channels: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """Return three channels (height, width) of light through uneven illumination, optics and camera as uint8 RGB."""
    height, width = channels[0].shape
    row, column = (
        np.square(np.linspace(-1, 1, side, dtype=np.float32) - rng.normal(0, 0.4)) for side in (height, width)
    )
    shade = 1 - np.float32(rng.uniform(*DIFFICULTY.illumination)) * np.minimum((row[:, None] + column[None]) / 2.5, 1)
    cloud = np.clip(0.5 + 0.25 * smooth_noise(rng, (height, width), 0.45 * size), 0, 1.2)
    # Works in place: fresh memory costs more here than the arithmetic.
    for channel in channels:
        channel += cloud * np.float32(rng.uniform(*DIFFICULTY.background))
        channel *= shade
    sharpest = 0.42 + 0.0013 * size
    light = blur(cv2.merge(channels), sharpest * rng.uniform(*DIFFICULTY.defocus))
    shot, read = rng.uniform(*DIFFICULTY.shot_noise), rng.uniform(*DIFFICULTY.read_noise)
    spread = np.maximum(light, 0, out=light) * np.float32(shot**2)
    spread += np.float32(read**2)
    cv2.sqrt(spread, spread)
    # OpenCV draws normal noise three times as fast as NumPy; seeded right before, it is as reproducible.
    noise = np.empty_like(light)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(noise.reshape(height, -1), 0, 1)  # as one channel: a lone 1 is the first channel's spread only
    noise *= spread
    light += noise
    # Rolls off towards white like a display curve, so that bright places keep their structure.
    bright = np.flatnonzero(light > 0.75)
    light.reshape(-1)[bright] = 0.75 + 0.25 * np.tanh((light.reshape(-1)[bright] - 0.75) / 0.25)
    return cv2.convertScaleAbs(np.maximum(light, 0, out=light), alpha=255)
