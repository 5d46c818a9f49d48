"""Where a protein lies: a drawing for each class, from a field and a generator to float32 light of about 0..1."""

from collections.abc import Callable

import numpy as np

from data.synthetic.cells import ANGLES, Field
from data.synthetic.curves import bridge_curves, inside_nucleus, microtubule_curves, scatter, spindle_curves, walks
from data.synthetic.drawing import blur, discs, dots, smooth_noise, strokes

Drawing = Callable[[Field, np.random.Generator], np.ndarray]
BRIGHT_TO_DIM = (255, 205, 160, 120)


def _nucleoplasm(field: Field, rng: np.random.Generator) -> np.ndarray:
    grain = 0.5 + 0.07 * smooth_noise(rng, field.shape, 0.09 * field.unit)
    return field.nucleus_mask * grain * (1 - 0.7 * field.nucleoli_mask)


def _nuclear_membrane(field: Field, rng: np.random.Generator) -> np.ndarray:
    ring = strokes(field.shape, field.outlines(field.interphase, 0.0), 0.06 * field.unit)
    return ring * (0.95 + 0.12 * smooth_noise(rng, field.shape, 0.2 * field.unit)) + 0.14 * field.nucleus_mask


def _nucleoli(field: Field, rng: np.random.Generator) -> np.ndarray:
    grain = 0.95 + 0.08 * smooth_noise(rng, field.shape, 0.06 * field.unit)
    return field.nucleoli_mask * grain + 0.10 * field.nucleus_mask


def _fibrillar_center(field: Field, rng: np.random.Generator) -> np.ndarray:
    seen = field.nucleoli[field.interphase].reshape(-1, 3)
    seen = np.repeat(seen, rng.integers(3, 6, len(seen)) * (seen[:, 2] > 0), axis=0)
    points = seen[:, :2] + rng.normal(0, 0.6, (len(seen), 2)) * seen[:, 2:]
    return dots(field.shape, points, rng.uniform(0.9, 1.3, len(seen)), 0.022 * field.unit) + 0.06 * field.nucleus_mask


def _nuclear_speckles(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = inside_nucleus(field, rng, (22, 36))
    points = np.concatenate([points, points[::2] + rng.normal(0, 0.03 * field.unit, points[::2].shape)])
    spots = discs(
        field.shape, points, field.unit * rng.uniform(0.018, 0.045, len(points)), rng.integers(150, 256, len(points))
    )
    return (blur(spots, 0.012 * field.unit) + 0.10) * field.nucleus_mask


def _nuclear_bodies(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = inside_nucleus(field, rng, (3, 6))
    radii = field.unit * rng.uniform(0.04, 0.065, len(points))
    return discs(field.shape, points, radii) + 0.08 * field.nucleus_mask


def endoplasmic_reticulum(field: Field, rng: np.random.Generator) -> np.ndarray:
    """Return the mesh around the nucleus; the yellow stain shows it too, from a generator of its own."""
    # Noise crosses zero along closed curves, which meet like the tubules of a mesh.
    fine = np.abs(smooth_noise(rng, field.shape, 0.11 * field.unit))
    coarse = np.abs(smooth_noise(rng, field.shape, 0.22 * field.unit))
    mesh = np.maximum(0.65 - fine, 0)
    mesh += np.maximum(0.55 - coarse, 0)
    mesh += 0.12
    mesh *= field.cytoplasm
    mesh *= np.exp(field.nucleus_distance * (-1 / 0.42))
    mesh *= 1.15
    return mesh


def _golgi(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, rng.integers(9, 16, len(field.interphase)))
    angles = field.organizer[cells] + rng.normal(0, 0.4, len(cells))
    starts = field.place(cells, angles, rng.uniform(0.05, 0.34, len(cells)))
    ribbon = strokes(field.shape, walks(field, rng, starts, 0.26, 0.6), 0.055 * field.unit, BRIGHT_TO_DIM[:2])
    return 1.2 * ribbon * field.cytoplasm


def _peroxisomes(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = scatter(field, rng, (70, 110), 0.03, 0.93)
    return dots(field.shape, points, rng.uniform(0.75, 1.2, len(points)), 0.016 * field.unit)


def _endosomes(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = scatter(field, rng, (14, 22), 0.08, 0.95, 1.2)
    radii = field.unit * rng.uniform(0.035, 0.06, len(points))
    whole = discs(field.shape, points[::2], radii[::2], rng.integers(150, 256, len(points[::2])))
    return (
        np.maximum(whole, discs(field.shape, points[1::2], radii[1::2] * 1.25, ring=0.028 * field.unit))
        + 0.05 * field.cytoplasm
    )


def _lysosomes(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, rng.integers(16, 28, len(field.interphase)))
    near = np.where(
        rng.random(len(cells)) < 0.7, rng.normal(0, 0.75, len(cells)), rng.uniform(-np.pi, np.pi, len(cells))
    )
    points = field.place(cells, field.organizer[cells] + near, 0.04 + 0.5 * rng.random(len(cells)) ** 1.3)
    return discs(
        field.shape, points, field.unit * rng.uniform(0.05, 0.085, len(cells)), rng.integers(190, 256, len(cells))
    )


def _intermediate_filaments(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, 34)[:, None]
    along = np.linspace(0, 1, 14)[None]
    swing = rng.uniform(0.5, 1.7, cells.shape) * rng.choice([-1, 1], cells.shape)
    angles = rng.uniform(0, 2 * np.pi, cells.shape) + swing * along
    waves = 0.07 * np.sin(along * rng.uniform(6, 14, cells.shape) + rng.uniform(0, 6, cells.shape))
    rise = rng.uniform(-0.25, 0.45, cells.shape) * along
    fractions = np.clip(0.06 + 0.5 * rng.random(cells.shape) ** 1.5 + waves + rise, 0.02, 0.95)
    tangle = strokes(field.shape, field.place(cells, angles, fractions), 0.026 * field.unit, BRIGHT_TO_DIM)
    return tangle + 0.05 * field.cytoplasm


def _actin_filaments(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, 26)
    angle = field.axis[cells] + rng.normal(0, 0.05, len(cells))
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1) * field.unit
    aside = ahead[:, ::-1] * (-1, 1) * rng.uniform(-0.95, 0.95, (len(cells), 1))
    middle = field.centres[cells] + aside + ahead * rng.uniform(-0.35, 0.35, (len(cells), 1))
    half = rng.uniform(0.3, 0.9, (len(cells), 1)) * ahead
    curves = field.bend(np.stack([middle - half, middle, middle + half], axis=1))
    layer = np.zeros(field.shape, np.float32)
    # Cell by cell, as a bundle ends at its own cell's membrane.
    for cell in field.interphase:
        own = curves[cells == cell]
        if _in_picture(field, cell):
            layer = np.maximum(
                layer, strokes(field.shape, own, 0.022 * field.unit, BRIGHT_TO_DIM) * (field.owner == cell + 1)
            )
    return layer * field.cell_mask + 0.35 * _plasma_membrane(field, rng)


def _in_picture(field: Field, cell: int) -> bool:
    reach = 1.3 * field.unit
    return bool(
        (field.centres[cell] > -reach).all() and (field.centres[cell] < np.array(field.shape[::-1]) + reach).all()
    )


def _focal_adhesions(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, rng.integers(26, 40, len(field.interphase)))
    side = rng.choice([0, np.pi], len(cells))
    spread = np.where(
        rng.random(len(cells)) < 0.7, rng.normal(0, 0.55, len(cells)), rng.uniform(-np.pi, np.pi, len(cells))
    )
    starts = field.place(cells, field.axis[cells] + side + spread, rng.uniform(0.7, 0.97, len(cells)))
    angle = field.axis[cells] + side + 0.5 * spread
    dash = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (field.unit * rng.uniform(0.10, 0.2, (len(cells), 1)))
    return (
        strokes(field.shape, np.stack([starts - dash, starts], axis=1), 0.038 * field.unit) * 1.15 + 0.06
    ) * field.cell_mask


def _microtubules(field: Field, rng: np.random.Generator) -> np.ndarray:
    return strokes(field.shape, microtubule_curves(field, rng, 40), 0.014 * field.unit, BRIGHT_TO_DIM)


def _microtubule_ends(field: Field, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(field.interphase, 44)
    angles = rng.uniform(0, 2 * np.pi, len(cells))
    tips = 1 - 0.75 * rng.random(len(cells)) ** 2
    comets = field.place(cells[:, None], angles[:, None], np.stack([tips - 0.16, tips - 0.02], axis=1))
    return strokes(field.shape, comets, 0.025 * field.unit, BRIGHT_TO_DIM[:3]) + 0.05 * field.cytoplasm


def _cytokinetic_bridge(field: Field, rng: np.random.Generator) -> np.ndarray:
    curves = bridge_curves(field)
    arm = strokes(field.shape, curves, 0.10 * field.unit) * 1.1
    midbody = dots(field.shape, curves[:, 4], 1.3, 0.075 * field.unit)
    daughters = field.mask(field.bridges.ravel(), 1.0)
    return np.maximum(arm, midbody) + 0.30 * daughters + 0.04 * field.cytoplasm


def _mitotic_spindle(field: Field, rng: np.random.Generator) -> np.ndarray:
    curves = spindle_curves(field, rng)
    poles = dots(field.shape, np.concatenate([curves[:, 0], curves[:, -1]]), 0.1, 0.04 * field.unit)
    return strokes(field.shape, curves, 0.03 * field.unit) + poles + 0.04 * field.cytoplasm


def _organizing_center(field: Field, rng: np.random.Generator) -> np.ndarray:
    places = field.place(field.interphase, field.organizer[field.interphase], 0.12)
    patch = dots(field.shape, places, 1.2, 0.085 * field.unit)
    angles = rng.uniform(0, 2 * np.pi, (len(places), 18))
    rays = (
        np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        * (field.unit * rng.uniform(0.2, 0.5, angles.shape))[..., None]
    )
    starts = np.broadcast_to(places[:, None], rays.shape)
    aster = strokes(field.shape, np.stack([starts, starts + rays], axis=2).reshape(-1, 2, 2), 0.014 * field.unit)
    return patch + 0.6 * aster + 0.04 * field.cytoplasm


def _centrosome(field: Field, rng: np.random.Generator) -> np.ndarray:
    places = field.place(field.interphase, field.organizer[field.interphase], 0.12)
    angles = rng.uniform(0, 2 * np.pi, len(places))
    apart = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (
        field.unit * rng.uniform(0.065, 0.09, (len(places), 1))
    )
    pair = discs(field.shape, np.concatenate([places + apart, places - apart]), 0.05 * field.unit)
    return 1.3 * pair + 0.03 * field.cell_mask


def _lipid_droplets(field: Field, rng: np.random.Generator) -> np.ndarray:
    hubs = scatter(field, rng, (2, 4), 0.15, 0.7)
    points = np.repeat(hubs, 7, axis=0) + rng.normal(0, 0.19 * field.unit, (len(hubs) * 7, 2))
    radii = field.unit * rng.uniform(0.065, 0.115, len(points))
    rings = discs(field.shape, points, radii, ring=0.035 * field.unit)
    return 1.2 * rings * field.cytoplasm + 0.04 * field.cytoplasm


def _plasma_membrane(field: Field, rng: np.random.Generator) -> np.ndarray:
    line = strokes(field.shape, field.membranes, 0.045 * field.unit)
    return (
        line * np.clip(0.9 + 0.15 * smooth_noise(rng, field.shape, 0.25 * field.unit), 0.3, 1.2)
        + 0.09 * field.cell_mask
    )


def _cell_junctions(field: Field, rng: np.random.Generator) -> np.ndarray:
    cell, angle = np.nonzero(field.contact)
    step = 2 * np.pi / ANGLES
    points = [field.place(cell, (angle + ahead) * step, 1.01) for ahead in (-0.6, 0, 0.6)]
    line = strokes(field.shape, np.stack(points, axis=1), 0.085 * field.unit)
    return (
        line * np.clip(0.8 + 0.35 * smooth_noise(rng, field.shape, 0.10 * field.unit), 0, 1.2) + 0.03 * field.cell_mask
    )


def _mitochondria(field: Field, rng: np.random.Generator) -> np.ndarray:
    starts = scatter(field, rng, (70, 95), 0.03, 0.85, 1.5)
    threads = strokes(field.shape, walks(field, rng, starts, 0.30, 0.45), 0.026 * field.unit, BRIGHT_TO_DIM)
    return threads * field.cytoplasm


def _aggresome(field: Field, rng: np.random.Generator) -> np.ndarray:
    places = field.place(field.interphase, field.organizer[field.interphase] + 0.1, 0.2)
    lobes = np.repeat(places, 3, axis=0) + rng.normal(0, 0.05 * field.unit, (len(places) * 3, 2))
    blob = blur(discs(field.shape, lobes, field.unit * rng.uniform(0.12, 0.19, len(lobes))), 0.03 * field.unit)
    return blob + 0.08 * field.cytoplasm


def _cytosol(field: Field, rng: np.random.Generator) -> np.ndarray:
    thickness = 1 - np.exp(-field.edge_distance / 0.22)
    fine, coarse = (smooth_noise(rng, field.shape, wavelength * field.unit) for wavelength in (0.08, 0.5))
    grain = 0.50 + 0.06 * fine + 0.05 * coarse
    return field.cell_mask * (0.3 + 0.7 * thickness) * grain * (1 - 0.75 * field.nucleus_mask)


def _cytoplasmic_bodies(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = scatter(field, rng, (4, 9), 0.1, 0.85)
    return discs(field.shape, points, field.unit * rng.uniform(0.055, 0.085, len(points))) + 0.07 * field.cytoplasm


def _rods_and_rings(field: Field, rng: np.random.Generator) -> np.ndarray:
    rods = walks(field, rng, scatter(field, rng, (2, 3), 0.05, 0.6), 0.6, 0.1)
    rings = scatter(field, rng, (2, 3), 0.2, 0.8)
    circles = discs(field.shape, rings, field.unit * rng.uniform(0.12, 0.18, len(rings)), ring=0.055 * field.unit)
    return (1.2 * np.maximum(strokes(field.shape, rods, 0.065 * field.unit), circles) + 0.04) * field.cell_mask


def _vesicles(field: Field, rng: np.random.Generator) -> np.ndarray:
    points = scatter(field, rng, (50, 80), 0.03, 0.95, 1.6)
    radii = field.unit * rng.uniform(0.02, 0.045, len(points))
    return discs(field.shape, points, radii, rng.integers(120, 256, len(points))) + 0.06 * field.cytoplasm


# The Human Protein Atlas challenge's order, then the one class that its full vocabulary adds.
ORGANELLES: dict[str, Drawing] = {
    "Nucleoplasm": _nucleoplasm,
    "Nuclear membrane": _nuclear_membrane,
    "Nucleoli": _nucleoli,
    "Nucleoli fibrillar center": _fibrillar_center,
    "Nuclear speckles": _nuclear_speckles,
    "Nuclear bodies": _nuclear_bodies,
    "Endoplasmic reticulum": endoplasmic_reticulum,
    "Golgi apparatus": _golgi,
    "Peroxisomes": _peroxisomes,
    "Endosomes": _endosomes,
    "Lysosomes": _lysosomes,
    "Intermediate filaments": _intermediate_filaments,
    "Actin filaments": _actin_filaments,
    "Focal adhesion sites": _focal_adhesions,
    "Microtubules": _microtubules,
    "Microtubule ends": _microtubule_ends,
    "Cytokinetic bridge": _cytokinetic_bridge,
    "Mitotic spindle": _mitotic_spindle,
    "Microtubule organizing center": _organizing_center,
    "Centrosome": _centrosome,
    "Lipid droplets": _lipid_droplets,
    "Plasma membrane": _plasma_membrane,
    "Cell junctions": _cell_junctions,
    "Mitochondria": _mitochondria,
    "Aggresome": _aggresome,
    "Cytosol": _cytosol,
    "Cytoplasmic bodies": _cytoplasmic_bodies,
    "Rods & rings": _rods_and_rings,
    "Vesicles": _vesicles,
}
CLASS_NAMES: tuple[str, ...] = tuple(ORGANELLES)
