"""Places in a field's cells: scattered points, wandering threads, and the paths of microtubules."""

import numpy as np

from data.synthetic.cells import Field


def scatter(
    field: Field, rng: np.random.Generator, counts: tuple[int, int], low: float, high: float, inward: float = 1.0
) -> np.ndarray:
    """Return positions (n, 2) at fractions low..high (crowded at `low` where inward > 1), `counts` a cell."""
    cells = np.repeat(field.interphase, rng.integers(counts[0], counts[1] + 1, len(field.interphase)))
    fractions = low + (high - low) * rng.random(len(cells)) ** inward
    return field.place(cells, rng.uniform(0, 2 * np.pi, len(cells)), fractions)


def inside_nucleus(field: Field, rng: np.random.Generator, counts: tuple[int, int]) -> np.ndarray:
    """Return positions (n, 2) spread evenly over the nuclei, none in a nucleolus."""
    cells = np.repeat(field.interphase, rng.integers(counts[0], counts[1] + 1, len(field.interphase)))
    points = field.place(cells, rng.uniform(0, 2 * np.pi, len(cells)), np.sqrt(rng.uniform(0, 0.78, len(cells))) - 1)
    # A fraction of -1 is the middle, so the square root of an even draw spreads evenly over the disc.
    column, row = np.clip(np.round(points).astype(int), 0, np.array(field.shape[::-1]) - 1).T
    return points[field.nucleoli_mask[row, column] < 0.4]


def walks(
    field: Field, rng: np.random.Generator, starts: np.ndarray, length: float, wander: float, steps: int = 7
) -> np.ndarray:
    """Return curves (n, steps, 2) of `length` units from `starts` whose heading wanders."""
    count = len(starts)
    heading = rng.uniform(0, 2 * np.pi, (count, 1)) + np.cumsum(rng.normal(0, wander, (count, steps - 1)), axis=1)
    stride = field.unit * length * rng.uniform(0.5, 1.3, (count, 1)) / (steps - 1)
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=-1) * stride[..., None], axis=1)
    return np.concatenate([starts[:, None], starts[:, None] + path], axis=1)


def microtubule_curves(field: Field, rng: np.random.Generator, a_cell: int = 36, steps: int = 11) -> np.ndarray:
    """Return filaments (n, steps, 2) from each cell's organizing center to its edge, bent around the nucleus."""
    cells = np.repeat(field.interphase, a_cell)[:, None]
    start = field.organizer[cells] + rng.normal(0, 0.1, cells.shape)
    end = rng.uniform(0, 2 * np.pi, cells.shape)
    turn = np.mod(end - start + np.pi, 2 * np.pi) - np.pi
    along = np.linspace(0, 1, steps)[None]
    wiggle = rng.normal(0, 0.10, cells.shape) * np.sin(np.pi * along * rng.uniform(1, 3, cells.shape))
    angles = start + turn * along ** rng.uniform(0.5, 0.9, cells.shape) + wiggle
    reach = rng.uniform(0.75, 0.99, cells.shape)
    fractions = 0.1 + (reach - 0.1) * along ** rng.uniform(0.8, 1.5, cells.shape)
    return field.place(cells, angles, fractions)


def spindle_curves(field: Field, rng: np.random.Generator, fibres: int = 11) -> np.ndarray:
    """Return the fibres (n, 9, 2) of the spindles of cells in division, pole to pole."""
    cells = field.mitotic
    bulge = np.linspace(-1, 1, fibres)[None, :, None]
    along = np.linspace(-1, 1, 9)[None, None, :]
    across = bulge * (1 - along**2) * 0.25 * field.unit + rng.normal(0, 0.008 * field.unit, (len(cells), fibres, 9))
    forward = np.broadcast_to(along * 0.40 * field.unit, across.shape)
    angle = field.axis[cells][:, None, None]
    x = field.centres[cells, 0][:, None, None] + forward * np.cos(angle) - across * np.sin(angle)
    y = field.centres[cells, 1][:, None, None] + forward * np.sin(angle) + across * np.cos(angle)
    return field.bend(np.stack([x, y], axis=-1).reshape(-1, 9, 2))


def bridge_curves(field: Field) -> np.ndarray:
    """Return the bridges (n, 9, 2) between daughter cells, membrane to membrane."""
    if not len(field.bridges):
        return np.zeros((0, 9, 2))
    first, second = field.bridges.T
    angle = np.arctan2(*(field.centres[second] - field.centres[first]).T[::-1])
    start, end = field.place(first, angle, 0.9), field.place(second, angle + np.pi, 0.9)
    along = np.linspace(0, 1, 9)[None, :, None]
    return start[:, None] * (1 - along) + end[:, None] * along
