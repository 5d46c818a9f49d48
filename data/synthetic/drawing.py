"""What made images are drawn with: noise, filled outlines, strokes, discs and spots."""

import cv2
import numpy as np

SHIFT = 4  # bits of sub-pixel position in OpenCV's drawing calls
FINER = 2  # strokes and discs are drawn on a canvas so many times finer, then averaged


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], wavelength: float) -> np.ndarray:
    """Return float32 noise of `shape`, about standard normal, that varies over `wavelength` pixels."""
    height, width = (max(3, int(np.ceil(side / max(wavelength, 1.0))) + 2) for side in shape)
    coarse = rng.standard_normal((height, width), dtype=np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return `image` behind a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REFLECT)


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Return points in OpenCV's whole numbers with SHIFT bits behind the point, int32."""
    return np.round(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def _finer_canvas(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros((shape[0] * FINER, shape[1] * FINER), np.uint8)


def _averaged(canvas: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.resize(canvas, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def fill(canvas: np.ndarray, outlines: np.ndarray, levels: np.ndarray | int = 255) -> None:
    """Fill each outline of (n, points, 2) on the uint8 `canvas`; one by one, as together overlaps would cancel."""
    for outline, level in zip(fixed_point(outlines), np.broadcast_to(levels, len(outlines)), strict=True):
        cv2.fillPoly(canvas, [outline], int(level), cv2.LINE_AA, SHIFT)


def strokes(
    shape: tuple[int, int], curves: np.ndarray, thickness: float, levels: tuple[int, ...] = (255,)
) -> np.ndarray:
    """Return curves (n, points, 2) drawn `thickness` pixels wide as float32 in 0..1; `levels` takes turns over them.

    Widths below half a pixel are drawn half a pixel wide and fainter.
    """
    canvas = _finer_canvas(shape)
    points = fixed_point(curves * FINER)
    wide = thickness * FINER
    strength = min(1.0, 0.4 + 0.6 * wide)
    for turn in range(len(levels) - 1, -1, -1):
        group = list(points[turn :: len(levels)])
        if group:
            cv2.polylines(canvas, group, False, int(levels[turn] * strength), max(1, round(wide)), cv2.LINE_AA, SHIFT)
    return _averaged(canvas, shape)


def discs(
    shape: tuple[int, int],
    points: np.ndarray,
    radii: np.ndarray | float,
    levels: np.ndarray | int = 255,
    ring: float = 0,
) -> np.ndarray:
    """Return discs, or rings `ring` pixels wide, at points (n, 2) as float32 in 0..1."""
    canvas = _finer_canvas(shape)
    centres = fixed_point(points * FINER).tolist()
    sizes = fixed_point(np.broadcast_to(radii, len(points)) * FINER).tolist()
    wide = max(1, round(ring * FINER)) if ring else cv2.FILLED
    for centre, radius, level in zip(centres, sizes, np.broadcast_to(levels, len(points)).tolist(), strict=True):
        cv2.circle(canvas, centre, radius, int(level), wide, cv2.LINE_AA, SHIFT)
    return _averaged(canvas, shape)


def dots(shape: tuple[int, int], points: np.ndarray, amplitudes: np.ndarray | float, sigma: float) -> np.ndarray:
    """Return Gaussian spots of `sigma` pixels with peaks of `amplitudes` at points (n, 2) as float32, at most 1.3."""
    height, width = shape
    sigma = max(sigma, 0.55)
    inside = (points > 0).all(axis=1) & (points[:, 0] < width - 1) & (points[:, 1] < height - 1)
    weights = np.broadcast_to(amplitudes, len(points))[inside] * (2 * np.pi * sigma**2)
    corner = np.floor(points[inside]).astype(np.int64)
    right, down = (points[inside] - corner).T
    total = np.zeros(height * width)
    for step_x, step_y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = (right if step_x else 1 - right) * (down if step_y else 1 - down)
        flat = (corner[:, 1] + step_y) * width + corner[:, 0] + step_x
        total += np.bincount(flat, weights * share, height * width)
    return np.minimum(blur(total.reshape(shape).astype(np.float32), sigma), 1.3)
