"""The geometry of a made field of cells.

Every place in a cell has polar coordinates around its nucleus: an angle, and a fraction that is -1 in the middle of the
nucleus, 0 on its membrane and 1 on the plasma membrane. A smooth displacement bends the whole field, so that borders
that two cells share stay shared. Lengths are in units of a cell's radius, so that every image size
shows the same cells.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from data.synthetic.drawing import SHIFT, blur, discs, fill, fixed_point

ANGLES = 72  # points on an outline
INTERPHASE, MITOTIC = 0, 1


@dataclass(frozen=True)
class Field:
    """Cells on a canvas: n of them, each with ANGLES radii in pixels; positions are (x, y) in pixels."""

    shape: tuple[int, int]  # height and width in pixels
    unit: float  # a cell's radius in pixels
    centres: np.ndarray  # (n, 2) middles of the nuclei, before the field is bent
    radii: np.ndarray  # (n, ANGLES) to the plasma membrane
    nucleus_radii: np.ndarray  # (n, ANGLES) to the nuclear membrane
    contact: np.ndarray  # (n, ANGLES) bool: another cell touches here
    kind: np.ndarray  # (n,) INTERPHASE or MITOTIC
    axis: np.ndarray  # (n,) angle of the cell's long axis, of a dividing cell its spindle
    organizer: np.ndarray  # (n,) angle at which the microtubule organizing center lies
    bridges: np.ndarray  # (b, 2) pairs of daughter cells that still hang together
    nucleoli: np.ndarray  # (n, m, 3) x, y and radius; radius 0 is none
    waves: np.ndarray  # (w, 6) wave vector, phases and amplitude of the displacement

    @cached_property
    def interphase(self) -> np.ndarray:
        """The cells that are not in division."""
        return np.flatnonzero(self.kind == INTERPHASE)

    @cached_property
    def mitotic(self) -> np.ndarray:
        """The cells in division."""
        return np.flatnonzero(self.kind == MITOTIC)

    def bend(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 2) moved by the field's displacement."""
        points = points.astype(np.float32)
        moved = points.copy()
        for wave_x, wave_y, phase_x, phase_y, size_x, size_y in self.waves:
            angle = points[..., 0] * wave_x + points[..., 1] * wave_y
            moved[..., 0] += size_x * np.sin(angle + phase_x)
            moved[..., 1] += size_y * np.sin(angle + phase_y)
        return moved

    def place(self, cells: np.ndarray, angles: np.ndarray, fractions: np.ndarray | float) -> np.ndarray:
        """Return positions (..., 2) of polar coordinates in `cells`; all three broadcast to the shape (...)."""
        cells, angles, fractions = np.broadcast_arrays(cells, angles, fractions)
        position = angles.astype(np.float32) * np.float32(ANGLES / (2 * np.pi))
        below = np.floor(position)
        share = position - below
        left = below.astype(np.int64) % ANGLES
        right = (left + 1) % ANGLES
        inner = self.nucleus_radii[cells, left] * (1 - share) + self.nucleus_radii[cells, right] * share
        outer = self.radii[cells, left] * (1 - share) + self.radii[cells, right] * share
        radius = np.where(fractions >= 0, inner + fractions * (outer - inner), inner * (1 + fractions))
        angles = angles.astype(np.float32)
        offset = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radius[..., None]
        return self.bend(self.centres[cells] + offset)

    def outlines(self, cells: np.ndarray, fraction: float) -> np.ndarray:
        """Return closed outlines (cells, ANGLES + 1, 2) at `fraction` (0 nuclear, 1 plasma membrane)."""
        angles = np.arange(ANGLES + 1) * (2 * np.pi / ANGLES)
        return self.place(np.asarray(cells)[:, None], angles[None], fraction)

    def mask(self, cells: np.ndarray, fraction: float) -> np.ndarray:
        """Return the cells filled up to `fraction` as float32 in 0..1."""
        canvas = np.zeros(self.shape, np.uint8)
        fill(canvas, self.membranes[cells] if fraction == 1 else self.outlines(cells, fraction))
        return canvas.astype(np.float32) / 255

    @cached_property
    def cell_mask(self) -> np.ndarray:
        """All cells, float32 in 0..1."""
        return self.mask(np.arange(len(self.centres)), 1.0)

    @cached_property
    def nucleus_mask(self) -> np.ndarray:
        """The nuclei of cells that are not in division, float32 in 0..1."""
        return self.mask(self.interphase, 0.0)

    @cached_property
    def cytoplasm(self) -> np.ndarray:
        """The cells not in division without their nuclei, float32 in 0..1."""
        return self.mask(self.interphase, 1.0) * (1 - self.nucleus_mask)

    @cached_property
    def nucleoli_mask(self) -> np.ndarray:
        """Nucleoli, each of two lobes, float32 in 0..1."""
        seen = self.nucleoli[self.interphase].reshape(-1, 3)
        seen = seen[seen[:, 2] > 0]
        lobe = seen[:, :2] + np.stack([np.cos(seen[:, 0]), np.sin(seen[:, 1])], axis=1) * seen[:, 2:] * 0.6
        points, radii = np.concatenate([seen[:, :2], lobe]), np.concatenate([seen[:, 2], seen[:, 2] * 0.75])
        return blur(discs(self.shape, points, radii), 0.018 * self.unit) * self.nucleus_mask

    @cached_property
    def nucleus_distance(self) -> np.ndarray:
        """Distance to the nearest nucleus in units."""
        return cv2.distanceTransform((self.nucleus_mask < 0.5).astype(np.uint8), cv2.DIST_L2, 3) / self.unit

    @cached_property
    def edge_distance(self) -> np.ndarray:
        """Distance inside a cell to its plasma membrane in units; 0 outside."""
        inside = (self.cell_mask > 0.5).astype(np.uint8)
        cv2.polylines(inside, list(fixed_point(self.membranes)), True, 0, 1, 8, SHIFT)
        return cv2.distanceTransform(inside, cv2.DIST_L2, 3) / self.unit

    @cached_property
    def membranes(self) -> np.ndarray:
        """The outlines (n, ANGLES + 1, 2) of all cells."""
        return self.outlines(np.arange(len(self.centres)), 1.0)

    @cached_property
    def owner(self) -> np.ndarray:
        """The cell that each pixel is in, counted from 1 and reaching a little past its border; uint8, 0 is none."""
        canvas = np.zeros(self.shape, np.uint8)
        outlines = fixed_point(self.membranes)
        for cell, outline in enumerate(outlines, start=1):
            cv2.polylines(canvas, [outline], True, cell, max(2, round(0.14 * self.unit)), 8, SHIFT)
        for cell, outline in enumerate(outlines, start=1):
            cv2.fillPoly(canvas, [outline], cell, 8, SHIFT)
        return canvas

    def level_map(self, levels: np.ndarray) -> np.ndarray:
        """Return float32 (height, width): the level of the cell that each pixel is in, 0 between the cells."""
        table = np.concatenate([[0.0], levels]).astype(np.float32)
        return blur(table[self.owner], 0.025 * self.unit)


def _seeds(rng: np.random.Generator, shape: tuple[int, int], unit: float) -> np.ndarray:
    """Return cell middles (n, 2) on a turned, jittered hexagonal grid that reaches past the border."""
    spacing = unit * rng.uniform(1.65, 1.95)
    reach = int(np.hypot(*shape) / spacing / 2) + 3
    column, row = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    grid = np.stack([column + 0.5 * (row % 2), row * 0.866], axis=-1).reshape(-1, 2) * spacing
    grid += rng.normal(0, 0.14 * spacing, grid.shape) + rng.uniform(-spacing, spacing, 2)
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = grid @ rotation + np.array(shape[::-1]) / 2
    inside = (points > -0.75 * unit).all(axis=1) & (points < np.array(shape[::-1]) + 0.75 * unit).all(axis=1)
    return points[inside & (rng.random(len(points)) > 0.07)]


def _lumpy(rng: np.random.Generator, count: int, lengthening: np.ndarray, axis: np.ndarray, lump: float) -> np.ndarray:
    """Return relative radii (count, ANGLES) of outlines that are elongated along `axis` and irregular."""
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radius = 1 + lengthening[:, None] * np.cos(2 * (angles - axis[:, None]))
    for order in range(2, 7):
        size = rng.normal(0, lump / order**0.7, (count, 1))
        radius += size * np.cos(order * angles + rng.uniform(0, 2 * np.pi, (count, 1)))
    return radius


def make_field(
    rng: np.random.Generator, shape: tuple[int, int], unit: float, mitoses: int, bridges: int, dense: bool
) -> Field:
    """Return a field of cells of radius about `unit` pixels, with so many cells in mitosis and daughters on a bridge.

    With `dense` the cells grow until they touch.
    """
    seeds = _seeds(rng, shape, unit)
    growth, stretch, lump = rng.uniform(0.86, 1.2), rng.uniform(0.05, 0.34), rng.uniform(0.05, 0.13)
    if dense:
        growth = max(growth, 1.08)
    inner = np.abs(seeds / np.array(shape[::-1]) - 0.5).max(axis=1) + rng.uniform(0, 0.12, len(seeds))
    order = np.argsort(inner)
    splitting, others = order[:bridges], order[bridges:]
    # Daughters take more room than one cell, so a mitosis beside them would lie on top of them.
    near = (np.linalg.norm(seeds[others][:, None] - seeds[splitting][None], axis=-1) < 1.7 * unit).any(axis=1)
    dividing = np.concatenate([others[~near], others[near]])[:mitoses]
    split_axis = rng.uniform(0, np.pi, bridges)[: len(splitting)]
    apart = np.stack([np.cos(split_axis), np.sin(split_axis)], axis=1) * (0.66 * unit)
    centres = np.concatenate([seeds, seeds[splitting] + apart])
    centres[splitting] -= apart
    pairs = np.stack([splitting, np.arange(len(seeds), len(centres))], axis=1)
    centres, kept = _make_room(centres, pairs, dividing, unit)
    pairs, dividing = kept[pairs], kept[dividing]
    count = len(centres)
    kind = np.zeros(count, np.int8)
    kind[dividing] = MITOTIC

    axis = rng.uniform(0, np.pi) + rng.normal(0, 0.6, count)
    size = unit * growth * rng.uniform(0.9, 1.12, count)
    radii = size[:, None] * _lumpy(rng, count, stretch * rng.uniform(0.4, 1.2, count), axis, lump)
    radii[dividing] = unit * rng.uniform(0.56, 0.66)
    radii[pairs.ravel()] *= 0.8
    radii, contact = _crowd(centres, radii, pairs)

    nucleus = (
        unit * rng.uniform(0.36, 0.45, (count, 1)) * _lumpy(rng, count, rng.uniform(0.04, 0.2, count), axis, 0.035)
    )
    nucleus[pairs.ravel()] *= 0.72
    nucleus = np.minimum(nucleus, 0.74 * radii)
    waves = np.column_stack(
        [rng.normal(0, 1.5 / unit, (4, 2)), rng.uniform(0, 2 * np.pi, (4, 2)), rng.normal(0, 0.045 * unit, (4, 2))]
    )
    room = radii + unit * rng.uniform(0, 0.5, radii.shape)
    field = Field(
        shape=shape,
        unit=unit,
        centres=centres,
        radii=radii,
        nucleus_radii=nucleus,
        contact=contact,
        kind=kind,
        axis=axis,
        organizer=np.argmax(room, axis=1) * (2 * np.pi / ANGLES),
        bridges=pairs,
        nucleoli=np.zeros((count, 0, 3)),
        waves=waves,
    )
    return replace(field, nucleoli=_nucleoli(rng, field))


def _nucleoli(rng: np.random.Generator, field: Field) -> np.ndarray:
    """Centre and radius of up to four nucleoli a cell, (cells, 4, 3) pixels; a radius of 0 is none."""
    count, spots = len(field.centres), 4
    angle = rng.uniform(0, 2 * np.pi, (count, 1)) + np.arange(spots) * (2 * np.pi / spots)
    angle = angle + rng.normal(0, 0.4, (count, spots))
    middles = field.place(np.arange(count)[:, None], angle, rng.uniform(-0.75, -0.35, (count, spots)))
    sizes = (
        field.unit * rng.uniform(0.065, 0.115, (count, spots)) * (rng.random((count, spots)) < (1.0, 0.85, 0.6, 0.35))
    )
    return np.concatenate([middles, sizes[..., None]], axis=-1)


def _make_room(
    centres: np.ndarray, pairs: np.ndarray, dividing: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles without those that crowd daughters, and each old index's new one (-1 where dropped)."""
    daughters = pairs.ravel()
    distance = np.linalg.norm(centres[:, None] - centres[daughters][None], axis=-1)
    keep = (distance > 1.0 * unit).all(axis=1)
    keep[daughters] = True
    keep[dividing] = True
    return centres[keep], np.where(keep, np.cumsum(keep) - 1, -1)


def _crowd(centres: np.ndarray, radii: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return radii cut where neighbours meet half way, and where they do so; daughters keep a gap for their bridge."""
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    offset = centres[None] - centres[:, None]
    ahead = offset @ np.stack([np.cos(angles), np.sin(angles)])
    with np.errstate(divide="ignore", invalid="ignore"):
        half_way = np.where(ahead > 1e-6, 0.5 * (offset**2).sum(axis=-1)[..., None] / ahead, np.inf)
    half_way[pairs, pairs[:, ::-1]] *= 0.64
    nearest = half_way.min(axis=1)
    contact = nearest < radii * 1.01
    for pair in pairs:
        for cell, sister in (pair, pair[::-1]):
            contact[cell] &= half_way[cell, sister] > nearest[cell]
    cut = np.minimum(radii, nearest * 0.975)
    return sum(np.roll(cut, step, axis=1) for step in (-2, -1, 0, 1, 2)) / 5, contact
