"""A tree of labels from a CSV: what it makes of labels and predictions, and what is wrong with a CSV."""

from pathlib import Path

import numpy as np
import pytest

import augment
from common.errors import InputError
from data.augmentation.augmented_set import open_augmented
from data.cache import cache_subset
from data.cache.cache import open_cache, split_counts
from data.labels import hierarchy
from data.synthetic.organelles import CLASS_NAMES

HPA = Path(hierarchy.__file__).parents[1] / "hpa_hierarchy.csv"
# d is a class and has another, e, below it; nothing of the cache lies below Z.
ROWS = "class,parent\nT,\nU,\nZ,\nz,Z\nm,T\na,m\nb,m\nc,T\nd,U\ne,d\n"
CLASSES = ["e", "a", "d", "b", "c"]


def tree_from(tmp_path, text: str, classes=CLASSES, encoding="utf-8") -> hierarchy.Tree:
    path = tmp_path / "tree.csv"
    path.write_bytes(text.encode(encoding))
    return hierarchy.read_tree(path, classes)


def test_classes_keep_their_numbers_and_what_has_none_below_is_left_out(tmp_path):
    tree = tree_from(tmp_path, ROWS)
    assert tree.names == [*CLASSES, "T", "U", "m"] and tree.classes == 5
    named = {name: tree.names[parent] if parent >= 0 else "" for name, parent in zip(tree.names, tree.parents,
                                                                                  strict=True)}  # fmt: skip
    assert named == {"e": "d", "a": "m", "d": "U", "b": "m", "c": "T", "T": "", "U": "", "m": "T"}
    assert dict(zip(tree.names, tree.levels.tolist(), strict=True)) == {
        "T": 1, "U": 1, "m": 2, "c": 2, "d": 2, "a": 3, "b": 3, "e": 3,
    }  # fmt: skip
    assert tree.message() == "Tree: 5 classes and 3 nodes above them; 2 in level 1, 3 in level 2, 3 in level 3"
    assert [set(line) for line in tree.descendants.tolist()] == [set(np.flatnonzero(row)) for row in tree.below]
    assert (tree.descendants[:, 0] == np.arange(8)).all()


@pytest.mark.parametrize(("text", "encoding"), [
    (ROWS.replace(",", ";"), "utf-8-sig"), (ROWS.replace(",", "\t"), "utf-16"),
    ("sep=,\r\nParent,Class\r\n" + "".join(f"{p},{c}\r\n" for c, p in (row.split(",") for row in ROWS.split()[1:])),
     "windows-1252"),
])  # fmt: skip
def test_spreadsheets_are_read_as_people_save_them(text, encoding, tmp_path):
    tree, plain = tree_from(tmp_path, text, encoding=encoding), tree_from(tmp_path, ROWS)
    assert tree.names == plain.names and tree.parents.tolist() == plain.parents.tolist()


def descends(tree: hierarchy.Tree, node: int, above: int) -> bool:
    while node >= 0:
        if node == above:
            return True
        node = tree.parents[node]
    return False


def expanded_by_hand(tree: hierarchy.Tree, row: np.ndarray) -> list[float]:
    found = []
    for node in range(len(tree.names)):
        below = [row[place] for place in range(tree.classes) if descends(tree, place, node)]
        known = [value for value in below if value != 255]
        if 1 in known or len(known) == len(below):
            found.append(max(known))
        else:
            found.append(255)
    return found


def test_labels_of_all_nodes_are_those_of_a_brute_force(tmp_path):
    tree, rng = tree_from(tmp_path, ROWS), np.random.default_rng(0)
    for values in (np.array([0, 1, 255], np.uint8), np.array([0, 0.3, 0.8, 1, 255], np.float32)):
        labels = rng.choice(values, (400, 5))
        nodes = tree.expanded(labels)
        assert nodes.dtype == labels.dtype
        np.testing.assert_array_equal(nodes, [expanded_by_hand(tree, row) for row in labels])
        # A class with nothing below it keeps its labels.
        np.testing.assert_array_equal(nodes[:, [0, 1, 3, 4]], labels[:, [0, 1, 3, 4]])
    assert tree.expanded(np.zeros((0, 5), np.uint8)).shape == (0, 8)


def test_what_stands_above_a_predicted_node_is_predicted(tmp_path):
    tree = tree_from(tmp_path, ROWS)
    predictions = np.random.default_rng(0).random((200, 8)) < 0.2
    closed = tree.closed(predictions)
    for node, above in np.ndindex(8, 8):
        if descends(tree, node, above):
            assert not (predictions[:, node] & ~closed[:, above]).any()
    expected = [[any(row[node] for node in range(8) if descends(tree, node, above)) for above in range(8)]
                for row in predictions]  # fmt: skip
    np.testing.assert_array_equal(closed, expected)


def test_the_tree_of_the_human_protein_atlas():
    tree = hierarchy.read_tree(HPA, CLASS_NAMES)
    assert np.bincount(tree.levels).tolist() == [0, 3, 13, 29]
    assert (tree.levels[:29] == 3).all()
    challenge = hierarchy.read_tree(HPA, CLASS_NAMES[:28])
    assert len(challenge.names) == 28 + 16


def test_a_view_of_a_cache_has_the_nodes_as_classes(made_cache):
    cache = open_cache(made_cache)
    seen = cache_subset.with_tree(cache, HPA)
    assert seen.class_names[:29] == cache.class_names and len(seen.class_names) == seen.labels.shape[1] == 45
    np.testing.assert_array_equal(seen.labels[:, :29], cache.labels)
    assert seen.meta["counts"] == split_counts(seen.labels, np.asarray(seen.split))
    again = hierarchy.tree_of(seen.meta)
    assert again.described() == seen.meta["hierarchy"] and again.names == seen.class_names
    assert hierarchy.tree_of(cache.meta) is None
    augment.main(augment.Config(cache_dir=made_cache, tag="tree", method="mixup_rare", copies=1, labels="soft",
                                mixing_alpha=0.4, workers=1))  # fmt: skip
    soft, plain = open_augmented(seen, "tree"), open_augmented(cache, "tree")
    assert soft.labels.dtype == plain.labels.dtype == np.float32
    np.testing.assert_array_equal(soft.labels, again.expanded(plain.labels))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("class,parent\nT,\na,T\nb,T\nc,T\nd,T\n", ["class 'e' of the cache has no row"]),
        ("class,parent\nT,\na,T\nb,T\n", ["3 classes of the cache have no row: 'e', 'd', 'c'"]),
        (ROWS.replace("U,\n", "U,e\n"), ["'U' → 'e' → 'd' → 'U': a cycle; no class can lie below itself"]),
        (ROWS.replace("T,\n", "T,T\n"), ["'T' → 'T': a cycle; no class can lie below itself"]),
        (ROWS + "a,U\n", ["tree.csv, line 12: class 'a' is also in line 7"]),
        (ROWS + "f,Uu\n", ["tree.csv, line 12: parent 'Uu' has no row of its own; did you mean 'U'?"]),
        (ROWS + ",U\nf,nowhere\n", [
            "tree.csv, line 12: the class is empty",
            "tree.csv, line 13: parent 'nowhere' has no row of its own; give it one, with an empty parent if it is a "
            "top",
        ]),
        (ROWS.replace("\n", ",x\n").replace("parent,x", "parent,colour"),
         ["tree.csv: unknown columns 'colour'; it may hold class and parent only"]),
        (ROWS.replace("parent", "above"), [
            "tree.csv: no column parent; its columns are 'class', 'above', and it needs class and parent",
            "tree.csv: unknown columns 'above'; it may hold class and parent only",
        ]),
        (ROWS.replace("parent", "class"), [
            "tree.csv: 2 columns class; its columns are 'class', 'class', and it needs class and parent",
            "tree.csv: no column parent; its columns are 'class', 'class', and it needs class and parent",
        ]),
        (ROWS + "f\n", ["tree.csv, line 12: 1 fields where the header has 2"]),
        ("class,parent\n", ["tree.csv has a header but no rows"]),
        ("", ["tree.csv is empty"]),
    ],
)  # fmt: skip
def test_each_fault_of_a_csv_is_a_line(text, lines, tmp_path):
    with pytest.raises(InputError) as error:
        tree_from(tmp_path, text)
    heading, *found = str(error.value).splitlines()
    assert heading == f"hierarchy {tmp_path / 'tree.csv'} cannot be used:"
    assert [line.strip() for line in found] == lines


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read: No such file"):
        hierarchy.read_tree(tmp_path / "nowhere.csv", CLASSES)
