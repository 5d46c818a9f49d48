"""Which labels the made images carry: drawn with a long tail, or in equal numbers a class."""

import numpy as np

from data.synthetic.image import generator
from data.synthetic.organelles import CLASS_NAMES

# Share of the images that carry a class, after the Human Protein Atlas training set of 2018 (31,072 images), but with
# nucleoplasm and cytosol at a third each, and the rarest classes at one in 800, so that six thousand images hold eight.
SHARES: dict[str, float] = {
    "Nucleoplasm": 0.350,
    "Nuclear membrane": 0.040,
    "Nucleoli": 0.116,
    "Nucleoli fibrillar center": 0.050,
    "Nuclear speckles": 0.060,
    "Nuclear bodies": 0.081,
    "Endoplasmic reticulum": 0.032,
    "Golgi apparatus": 0.090,
    "Peroxisomes": 0.0025,
    "Endosomes": 0.0025,
    "Lysosomes": 0.0017,
    "Intermediate filaments": 0.035,
    "Actin filaments": 0.022,
    "Focal adhesion sites": 0.017,
    "Microtubules": 0.034,
    "Microtubule ends": 0.0015,
    "Cytokinetic bridge": 0.017,
    "Mitotic spindle": 0.007,
    "Microtubule organizing center": 0.029,
    "Centrosome": 0.047,
    "Lipid droplets": 0.006,
    "Plasma membrane": 0.121,
    "Cell junctions": 0.026,
    "Mitochondria": 0.095,
    "Aggresome": 0.010,
    "Cytosol": 0.330,
    "Cytoplasmic bodies": 0.011,
    "Rods & rings": 0.0013,
    "Vesicles": 0.070,
}
# How many labels an image carries, from one on, in the same set.
LABELS_AN_IMAGE = (0.4868, 0.4018, 0.1017, 0.0096, 0.0001)
# How much likelier two classes meet than their shares say, roughly as in the same set.
AFFINITIES: tuple[tuple[str, str, float], ...] = (
    ("Endosomes", "Lysosomes", 400.0),
    ("Mitotic spindle", "Cytokinetic bridge", 20.0),
    ("Mitotic spindle", "Microtubule organizing center", 8.0),
    ("Mitotic spindle", "Microtubules", 6.0),
    ("Cytokinetic bridge", "Microtubules", 6.0),
    ("Actin filaments", "Focal adhesion sites", 2.0),
    ("Actin filaments", "Plasma membrane", 1.6),
    ("Cell junctions", "Plasma membrane", 1.4),
    ("Lipid droplets", "Mitochondria", 1.5),
    ("Aggresome", "Intermediate filaments", 1.5),
    ("Nuclear speckles", "Nucleoplasm", 0.12),
    ("Nuclear speckles", "Cytosol", 0.6),
    ("Mitochondria", "Cytosol", 0.25),
    ("Endoplasmic reticulum", "Nucleoplasm", 0.25),
    ("Endoplasmic reticulum", "Cytosol", 0.5),
    ("Golgi apparatus", "Cytosol", 0.5),
)
FLOOR = 8  # images that every class gets at least, in a set of a hundred times as many or more


def image_id(index: int) -> str:
    """Return the id of made image `index`."""
    return f"cells-{index:06d}"


def _affinity() -> np.ndarray:
    table = np.ones((len(CLASS_NAMES), len(CLASS_NAMES)))
    for one, other, factor in AFFINITIES:
        first, second = CLASS_NAMES.index(one), CLASS_NAMES.index(other)
        table[first, second] = table[second, first] = factor
    return table


def draw_labels(count: int, seed: int) -> np.ndarray:
    """Return multi-hot labels (count, 29) uint8 with a long tail and the field's co-occurrence.

    Every row is drawn from the seed and its own number alone. Then every class is brought up to min(8, count // 100)
    images: rows with one label, of a class that has enough, take the rare class, in turn beside that label and in its
    place.
    """
    shares = np.array([SHARES[name] for name in CLASS_NAMES])
    affinity = _affinity()
    labels = np.zeros((count, len(CLASS_NAMES)), np.uint8)
    for row in range(count):
        rng = generator(seed, image_id(row), "labels")
        weights = shares.copy()
        for _ in range(1 + rng.choice(len(LABELS_AN_IMAGE), p=LABELS_AN_IMAGE)):
            label = rng.choice(len(weights), p=weights / weights.sum())
            labels[row, label] = 1
            weights = weights * affinity[label]
            weights[label] = 0
    _raise_to_floor(labels, min(FLOOR, count // 100), generator(seed, "", "floor"))
    return labels


def _raise_to_floor(labels: np.ndarray, floor: int, rng: np.random.Generator) -> None:
    for label in np.argsort(labels.sum(axis=0), kind="stable"):
        counts = labels.sum(axis=0)
        short = floor - int(counts[label])
        if short <= 0:
            continue
        plentiful = counts > 3 * floor + short
        free = np.flatnonzero((labels.sum(axis=1) == 1) & plentiful[labels.argmax(axis=1)])
        for turn, row in enumerate(rng.choice(free, min(short, len(free)), replace=False)):
            if turn % 2:
                labels[row] = 0
            labels[row, label] = 1


def balanced_labels(images_per_class: int, seed: int) -> np.ndarray:
    """Return multi-hot labels (N, 29) uint8: every class has exactly so many images, about a third have two labels."""
    classes = len(CLASS_NAMES)
    rng = generator(seed, "", "balanced")
    slots = rng.permutation(np.repeat(np.arange(classes), images_per_class))
    paired = len(slots) // 4
    pairs = np.stack([slots[:paired], slots[paired : 2 * paired]], axis=1)
    apart = pairs[:, 0] != pairs[:, 1]
    singles = np.concatenate([slots[2 * paired :], pairs[~apart].ravel()])
    labels = np.zeros((int(apart.sum()) + len(singles), classes), np.uint8)
    for column in (0, 1):
        labels[np.arange(int(apart.sum())), pairs[apart, column]] = 1
    labels[np.arange(int(apart.sum()), len(labels)), singles] = 1
    return labels[rng.permutation(len(labels))]
