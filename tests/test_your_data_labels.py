"""Labels as people have them: the commands of docs/your_data.md, on files as spreadsheets write them and on folders."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import Faults
from data.cache.cache import Cache, open_cache
from data.labels.label_forms import SPLITS, UNKNOWN
from data.labels.labels import read_labels
from data.splits.splits import draw_split, units

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "your_data.md"
CLASSES = ["Nukleolen", "Zytosol", "Äußere Membran"]
ROWS = [f"Zelle {number};{'|'.join(CLASSES[: number % 3 + 1])}" for number in range(30)]
# What the programs write for one table: the bytes, and what is said of them.
SAVED = {
    "Excel in German, CSV": ("Id;Target", ";", "windows-1252", "\r\n", "Windows-1252, separated by ;"),
    "Excel in German, CSV UTF-8": ("Id;Target", ";", "utf-8-sig", "\r\n", "UTF-8, separated by ;"),
    "Excel in English, CSV UTF-8": ("Id;Target", ",", "utf-8-sig", "\r\n", "UTF-8, separated by ,"),
    "Excel, Unicode text": ("Id;Target", "\t", "utf-16", "\r\n", "UTF-16, separated by tabs"),
    "Excel with sep=": ("sep=;\nId;Target", ";", "windows-1252", "\r\n", "Windows-1252, separated by ;"),
    "Editor, UTF-16 big-endian": ("Id;Target", ",", "utf-16-be", "\n", "UTF-16, separated by ,"),
    "Script, UTF-16 without a mark": ("Id;Target", "\t", "utf-16-le", "\n", "UTF-16, separated by tabs"),
    "LibreOffice": ("Id;Target", ",", "utf-8", "\n", "UTF-8, separated by ,"),
    "Old Mac line ends": ("Id;Target", ";", "utf-8", "\r", "UTF-8, separated by ;"),
    "Excel with empty columns": ("Id;Target;;", ";", "windows-1252", "\r\n", "Windows-1252, separated by ;"),
}


def saved(program: str) -> bytes:
    head, separator, encoding, line_end, _ = SAVED[program]
    rows = [row + ";;" * head.endswith(";;") for row in ROWS]
    text = line_end.join([*head.split("\n"), *rows, ""])
    return (text if "sep=" in text else text.replace(";", separator)).encode(encoding)


@pytest.mark.parametrize("program", SAVED)
def test_every_program_saves_the_same_labels(tmp_path, program):
    (tmp_path / "labels.csv").write_bytes(saved(program))
    faults = Faults()
    table = read_labels(tmp_path / "labels.csv", None, faults)
    assert faults.texts == [] and table.warnings == []
    assert table.notes == [f"labels.csv: {SAVED[program][-1]}"]
    assert table.ids == [f"Zelle {number}" for number in range(30)]
    assert table.class_names == CLASSES
    assert table.labels.tolist() == [[1, int(number % 3 > 0), int(number % 3 > 1)] for number in range(30)]


@pytest.mark.parametrize(
    ("content", "separator", "names"),
    [
        ("Id,Target\na,x;y\nb,x;y;z\n", ",", ["x", "y", "z"]),
        ('Id;Target\na;"x;y"\nb;x|z\n', ";", ["x", "y", "z"]),
        ("Id;Rods, rings;Golgi\na;1;0\nb;0;1\n", ";", ["Rods, rings", "Golgi"]),
        ("Id,Rods; rings,Golgi\na,1,0\nb,0,1\n", ",", ["Rods; rings", "Golgi"]),
        ("Id\tRods, rings; both\tGolgi\na\t1\t0\nb\t0\t1\n", "tabs", ["Rods, rings; both", "Golgi"]),
        ('"Id";"Target"\r\n"a";"x, y"\r\n"b";"z"\r\n', ";", ["x, y", "z"]),
    ],
)
def test_the_header_decides_on_the_separator(tmp_path, content, separator, names):
    (tmp_path / "labels.csv").write_text(content, newline="")
    faults = Faults()
    table = read_labels(tmp_path / "labels.csv", None, faults)
    assert faults.texts == [] and table.notes == [f"labels.csv: UTF-8, separated by {separator}"]
    assert table.class_names == names


def read(tmp_path, content: str, **chosen):
    (tmp_path / "labels.csv").write_text(content)
    faults = Faults()
    return read_labels(tmp_path / "labels.csv", None, faults, **chosen), faults.texts


def test_columns_are_chosen_by_name(tmp_path):
    content = "Id,Target,Probe Nr,Befund,group,Well\n1,0,a,x|y,g,A1\n2,0,b,y,g,A2\n"
    chosen = {"id_column": "probe nr", "target_column": "Befund", "group_column": "Well"}
    table, faults = read(tmp_path, content, **chosen)
    assert faults == [] and (table.ids, table.group) == (["a", "b"], ["A1", "A2"])
    assert table.labels.tolist() == [[1, 1], [0, 1]]
    assert "not used: 'Id', 'Target', 'group'" in table.warnings[0]
    table, faults = read(tmp_path, "name,x,Plate,y\na,1,P,0\nb,0,P,1\n", id_column="name", group_column="Plate")
    assert faults == [] and table.class_names == ["x", "y"] and table.group == ["P", "P"]
    table, faults = read(tmp_path, "Id,x,X\na,0 1,1\n", target_column="X")
    assert faults == [] and table.labels.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (
            {"group_column": "Patient"},
            "there is no column for group_column = 'Patient'; the columns are 'Id', 'Target', 'Patent', 'b', 'B'; "
            "did you mean 'Patent'?",
        ),
        ({"id_column": "Datei"}, "there is no column for id_column = 'Datei'; the columns are 'Id', 'Target'"),
        ({"target_column": "Id", "id_column": "Id"}, "one column is chosen twice: id_column = 'Id', target_column"),
        ({"target_column": "B "}, ""),
        ({"target_column": "b", "id_column": "target"}, ""),
    ],
)
def test_columns_that_are_not_there_are_refused_with_those_that_are(tmp_path, chosen, expected):
    _, faults = read(tmp_path, "Id,Target,Patent,b,B\na,0,P,1,0\n", **chosen)
    assert len(faults) == bool(expected), faults
    assert not expected or faults[0].startswith(f"labels.csv: {expected}")


def test_antibodies_of_the_external_set_as_a_chosen_column(cell_data, tmp_path):
    lines = (cell_data / "hpa" / "external_v18.csv").read_text().splitlines()
    antibodies = ["antibody", *(line.split("_")[0] for line in lines[1:])]
    text = "\r\n".join(f"{line},{antibody}" for line, antibody in zip(lines, antibodies, strict=True))
    (tmp_path / "labels.csv").write_bytes(text.replace(",", "\t").encode("utf-16"))
    faults = Faults()
    table = read_labels(tmp_path / "labels.csv", cell_data / "hpa" / "classes.txt", faults, group_column="Antibody")
    assert faults.texts == [] and len(table.ids) == 71437
    split = np.array(draw_split(table.labels, units(len(table.ids), table.group, None), 0.15, 0.15, seed=0))
    groups = np.array(table.group)
    assert len({*zip(groups.tolist(), split.tolist(), strict=True)}) == len(set(table.group))
    in_many = [len(np.unique(groups[column == 1])) >= 50 for column in table.labels.T]
    rates = np.array([table.labels[split == name].mean(axis=0) for name in SPLITS])[:, in_many]
    assert (rates.max(axis=0) / rates.min(axis=0)).max() < 1.05


# What follows runs the commands of the page.


def command(section: str) -> list[str]:
    """The options of the command that a section of the page shows."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    (found,) = re.findall(r"^\$ python preprocess\.py (.*)$", text, re.MULTILINE)
    return shlex.split(found)


@pytest.fixture
def work(tmp_path, shell):
    """A folder to work in: its images and files are made, and a section's command is run in it."""

    class Work:
        folder = tmp_path

        def images(self, *names: str) -> None:
            for number, name in enumerate(names):
                path = tmp_path / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (20, 16), (7 * number % 256, number // 36, 9)).save(path)

        def run(self, options: list[str], fails: bool = False) -> str:
            return shell(ROOT / "preprocess.py", *options, "--size", 16, "--workers", 1, cwd=tmp_path, fails=fails)

        def cache(self) -> Cache:
            return open_cache(tmp_path / "cache" / "cells-128")

    return Work()


def test_a_spreadsheets_csv(work):
    work.images(*(f"Zelle {number}.png" for number in range(30)))
    (work.folder / "labels.csv").write_bytes(saved("Excel in German, CSV"))
    printed = work.run(command("A CSV that a spreadsheet saved"))
    assert printed.startswith("labels.csv: Windows-1252, separated by ;\n")
    assert "Äußere Membran" in printed
    assert work.cache().class_names == CLASSES


def test_columns_of_other_names_and_groups(work):
    work.images(*(f"cell_{number:03d}.tif" for number in range(30)))
    rows = [
        f"cell_{number:03d}.tif,P{number // 5},{'Golgi' if number % 3 else 'Nucleoli|Cytosol'}" for number in range(30)
    ]
    (work.folder / "labels.csv").write_text("\n".join(["Datei,Plate,Befund", *rows]))
    work.run(command("Columns of other names, and images that belong together"))
    cache = work.cache()
    assert cache.class_names == ["Cytosol", "Golgi", "Nucleoli"]
    plates = {(row["group"], row["split"]) for row in cache.index}
    assert len(plates) == 6 and {split for _, split in plates} == {"train", "val", "test"}


def test_stripped_zeros(work):
    work.images(*(f"{number:03d}.tif" for number in range(1, 31)))
    (work.folder / "labels.csv").write_text("\r\n".join(["Id,Target", *(f"{n},{n % 2}" for n in range(1, 31))]))
    printed = work.run(["--image_dir", "images", "--labels_csv", "labels.csv"], fails=True)
    shown = PAGE.read_text(encoding="utf-8").split("```text\nerror: labels.csv and images")[1].split("```")[0]
    assert printed.split() == f"error: labels.csv and images{shown}".split()


def test_a_folder_for_each_class(work):
    work.images(*(f"{name}/{n:03d}.tif" for n, name in enumerate(["Golgi", "Nucleoli", "Rods & rings"] * 10)))
    copied = (work.folder / "images" / "Golgi" / "003.tif").read_bytes()
    (work.folder / "images" / "Nucleoli" / "003.tif").write_bytes(copied)
    options = command("A folder for each class")
    refused = work.run([option for option in options if option not in ("--duplicates", "union")], fails=True)
    assert refused.startswith(
        "error: images cannot be used (1 fault):\n  one image in 2 classes' folders: Golgi/003.tif"
    )
    assert "--duplicates union" in refused
    printed = work.run(options)
    assert printed.startswith("images: a folder for each class: 'Golgi', 'Nucleoli', 'Rods & rings'\n")
    assert "have no row" not in printed
    cache = work.cache()
    assert len(cache) == 30 and cache.class_names == ["Golgi", "Nucleoli", "Rods & rings"]
    assert cache.labels[cache.ids.index("Golgi/003.tif")].tolist() == [1, 1, 0]
    assert cache.labels.sum(axis=0).tolist() == [10, 11, 10]


def test_unknown_labels(work):
    work.images(*(f"cell_{number:03d}.png" for number in range(33)))
    rows = [f"cell_{number:03d},{number % 3}" for number in range(30)]
    rows += ["cell_030,2 ?0", "cell_031,?", "cell_032,"]
    (work.folder / "labels.csv").write_text("\n".join(["Id,Target", *rows]))
    (work.folder / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    printed = work.run(command("Labels that nobody knows"))
    assert "7 in 3 images, all of 2" in printed
    labels = work.cache().labels
    assert labels[30:].tolist() == [[UNKNOWN, 0, 1], [UNKNOWN] * 3, [UNKNOWN] * 3]
    assert work.cache().split[31:] == ["train", "train"]
    assert (labels[:30] == np.eye(3, dtype=np.uint8)[np.arange(30) % 3]).all()


def test_an_unreadable_file_is_one_line(work):
    work.images("a.png")
    (work.folder / "labels.csv").write_bytes("Id,Target\nклетка,1\n".encode("koi8-r"))
    printed = work.run(["--image_dir", "images", "--labels_csv", "labels.csv"], fails=True)
    assert "labels.csv, line 2: not UTF-8, and as Windows-1252 it reads" in printed
    assert 'save it again as "CSV UTF-8"' in printed
