"""Which files make an image: names by a pattern, columns of paths, single files, and all that does not fit."""

from pathlib import Path

import pytest

from common.errors import Faults, InputError
from data.images.channels import brief, channel_faults, find_channel_images, joined, match_images, read_path_columns
from data.images.errors import ImageError
from data.images.image_files import prepare, scan
from data.images.preparation import Preparation


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def match(folder, ids, channels, pattern="{id}_{channel}", columns=None):
    faults = Faults()
    lines = list(range(2, len(ids) + 2))
    images, unclaimed, separate = match_images(ids, lines, folder, channels, pattern, columns, faults)
    names = [joined(image).replace(f"{folder}/", "") for image in images]
    return names, unclaimed, separate, faults.texts


@pytest.mark.parametrize(
    ("files", "pattern", "image_id"),
    [
        (["a_red.png", "a_green.png"], "{id}_{channel}", "a"),
        (["a_red.png", "a_green.tif"], "{id}_{channel}", "a.png"),
        (["a_b_RED.png", "a_b_Green.png"], "{id}_{channel}", "a_b"),
        (["plate 1/a_red.png", "plate 1/a_green.png"], "{id}_{channel}", "plate 1/a"),
        (["plate 1/a_red.png", "plate 1/a_green.png"], "{id}_{channel}", "plate 1\\a"),
        (["plate 1/a_red.png", "plate 1/a_green.png"], "{id}_{channel}", "./plate 1/a.png"),
        (["red/a.png", "green/a.png"], "{channel}/{id}", "a"),
        (["a-chred.tif", "a-chgreen.tif", "a-chred.png"], "{id}-ch{channel}.tif", "a"),
        (["a/a_red.png", "a/a_green.png", "a/b_red.png"], "{id}/{id}_{channel}", "a"),
        (["a(1)+red.png", "a(1)+green.png"], "{id}+{channel}", "a(1)"),
        (["a_red.ome.tif", "a_green.OME.TIF"], "{id}_{channel}", "a"),
        (["red/a.ome.tiff", "green/a.ome.tiff"], "{channel}/{id}", "a"),
        (["red/a.ome.tif", "green/a.ome.tif"], "{channel}/{id}", "a.ome"),
        (["red/a.ome.tif", "green/a.ome.tif"], "{channel}/{id}", "a.ome.tif"),
        (["a_red.ome.tif", "a_green.ome.tif"], "{id}_{channel}.ome", "a"),
        (["a_red.ome.tif", "a_green.ome.tif"], "{id}_{channel}.ome.tif", "a"),
    ],
)
def test_a_pattern_finds_the_files_of_an_image(tmp_path, files, pattern, image_id):
    names, unclaimed, separate, faults = match(touched(tmp_path, *files), [image_id], "red,green", pattern)
    assert not faults
    assert names == ["|".join(files[:2])]
    assert unclaimed == files[2:]
    assert separate


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (["c0_red.png", "c0_far_red.png"], "{id}_{channel}"),
        (["red_c0.png", "red_far_c0.png"], "{channel}_{id}"),
        (["c0_RED.png", "c0_Far_Red.png"], "{id}_{channel}"),
    ],
)
def test_a_channel_whose_name_holds_anothers_keeps_its_files(tmp_path, files, pattern):
    touched(tmp_path, *files)
    channels = "red,far_red" if pattern.startswith("{id}") else "red,red_far"
    assert match(tmp_path, ["c0"], channels, pattern) == (["|".join(files)], [], True, [])
    assert find_channel_images(tmp_path, channels, pattern)[0] == ["c0"]


def test_images_of_one_file_are_found_too_and_pictures_are_always_one_file(tmp_path):
    touched(tmp_path, "a.tif", "b_red.png", "b_green.png")
    assert match(tmp_path, ["a"], "red,green") == (["a.tif"], ["b_green.png", "b_red.png"], False, [])
    assert match(tmp_path, ["b_red"], "rgb")[:3] == (["b_red.png"], ["a.tif", "b_green.png"], False)
    names, unclaimed, separate, faults = match(tmp_path, ["b"], "red,green")
    assert (names, unclaimed, separate, faults) == (["b_red.png|b_green.png"], ["a.tif"], True, [])


def test_an_image_that_is_not_whole_is_one_that_cannot_be_decoded(tmp_path):
    touched(tmp_path, "a_red.png", "a_green.png", "b_red.png", "c_red.png", "c_red.tif", "c_green.png", "d_green.png")
    names, unclaimed, separate, faults = match(tmp_path, ["a", "b", "c", "x", "a.png"], "red,green")
    assert names == ["a_red.png|a_green.png", "b_red.png", "c_red.png|c_red.tif|c_green.png"]
    assert (unclaimed, separate) == (["d"], True)
    assert faults == [
        "line 5, id 'x': no such image (no x_red, x_green)",
        "line 6, id 'a.png': names the same image as line 2",
    ]
    assert match(tmp_path, ["a"], "red,green")[1] == ["b", "c", "d"]
    ids, images, texts = find_channel_images(tmp_path, "red,green", "{id}_{channel}")
    assert (ids, texts) == (["a", "b", "c", "d"], [])
    assert images[0] == (tmp_path / "a_red.png", tmp_path / "a_green.png")
    reasons = ["b_green is missing", "c_red.png and c_red.tif are the same channel; remove one", "d_red is missing"]
    assert [image.reason for image in images[1:]] == reasons
    for image, reason in zip(images[1:], reasons, strict=True):
        for read in (scan, prepare):
            with pytest.raises(ImageError, match=reason):
                read(image, Preparation(8, "stretch", "red,green"))


def test_single_files_beside_files_a_channel(tmp_path):
    touched(tmp_path, "a_red.png", "a_green.png", "p/s1.tif", "p/s2.ome.tif", "007.tif", "s3.tif", "s3.png", "u.tif")
    names, unclaimed, separate, faults = match(tmp_path, ["p/s1", "a", "p\\s2", "s3.tif"], "red,green")
    assert names == ["p/s1.tif", "a_red.png|a_green.png", "p/s2.ome.tif", "s3.tif"]
    assert (unclaimed, separate, faults) == (["007.tif", "s3.png", "u.tif"], True, [])
    assert match(tmp_path, ["a", "7", "x", "s3", "u.png", "../a", "u", "u.tif"], "red,green")[3] == [
        "line 4, id 'x': no such image (no x_red, x_green)",
        "line 5, id 's3': fits 2 images: s3.png, s3.tif; give the id its extension",
        "line 6, id 'u.png': no such image (there is u.tif)",
        "line 7, id '../a': points outside image_dir",
        "line 9, id 'u.tif': names the same image as line 8",
        "line 3, id '7': no such image; 007.tif is there: were zeros stripped by a spreadsheet?",
    ]


def test_files_a_channel_come_before_one_file_of_the_same_id_unless_it_is_named_whole(tmp_path):
    touched(tmp_path, "a_red.png", "a_green.png", "a.jpg", "b_red.png", "b.tif", "c.tif")
    names, unclaimed, _, faults = match(tmp_path, ["a", "b", "c"], "red,green")
    assert names == ["a_red.png|a_green.png", "b_red.png", "c.tif"]
    assert (unclaimed, faults) == (["a.jpg", "b.tif"], [])
    images, _, _ = match_images(["a", "b"], [2, 3], tmp_path, "red,green", "{id}_{channel}", None, Faults())
    assert images[1].reason == "b_green is missing; if b.tif is meant, give the Id its extension"
    assert match(tmp_path, ["a.jpg", "a", "b.tif"], "red,green")[0] == ["a.jpg", "a_red.png|a_green.png", "b.tif"]
    ids, images, texts = find_channel_images(tmp_path, "red,green", "{id}_{channel}")
    assert ids == ["a", "b", "c"]
    assert images[2] == tmp_path / "c.tif"
    assert texts[0] == "1 files are not named as Id_red, Id_green, and are an image each:\n  c.tif"
    assert texts[1].endswith("left out, as the channels of their images are files of their own:\n  a.jpg\n  b.tif")


def test_a_folder_of_single_files_needs_no_file_a_channel(tmp_path):
    touched(tmp_path, "s2.tif", "p/s1.ome.tif", "s3.tif", "s3.png")
    ids, images, texts = find_channel_images(tmp_path, "red,green", "{id}_{channel}")
    assert ids == ["s2", "s3.png", "s3.tif", "p/s1"]
    assert images[3] == tmp_path / "p" / "s1.ome.tif"
    assert texts[0].startswith("4 files are not named as Id_red, Id_green, and are an image each:\n  s2.tif\n")
    with pytest.raises(InputError, match="holds no image"):
        find_channel_images(touched(tmp_path, "q/notes.txt") / "q", "red,green", "{id}_{channel}")


def test_two_spellings_of_one_id_are_refused_and_stripped_zeros_said_behind_a_backslash_too(tmp_path):
    touched(tmp_path, "p/007_red.png", "p/007_green.png")
    assert match(tmp_path, ["p\\007", "p/007"], "red,green")[3] == [
        "line 3, id 'p/007': names the same image as line 2"
    ]
    faults = match(tmp_path, ["p\\7"], "red,green")[3]
    assert "no such image; p/007_red.png, p/007_green.png are there: were zeros stripped" in faults[0]


def test_a_folder_without_images_is_one_fault(tmp_path):
    assert "holds no image" in match(tmp_path, ["a"], "rgby")[3][0]
    assert "is not a folder" in match(tmp_path / "nowhere", ["a"], "rgby")[3][0]


def test_columns_of_paths(tmp_path):
    touched(tmp_path / "images", "p/1.png", "p/2.png", "q/2.png")
    table = tmp_path / "labels.csv"
    table.write_text("Id,Target,Path_Red,path_green\na,0,p/1.png,p/2\nb,1,../x.png,\n", encoding="utf-8")
    columns = read_path_columns(table, "green,red", Faults())
    assert columns == {2: ["p/2", "p/1.png"], 3: ["", "../x.png"]}
    names, unclaimed, separate, faults = match(tmp_path / "images", ["a", "b"], "green,red", columns=columns)
    assert names == ["p/2.png|p/1.png"]
    assert unclaimed == ["q/2.png"]
    assert separate
    assert faults == [
        "line 3, id 'b': path_green is empty",
        "line 3, id 'b': path_red '../x.png': points outside image_dir",
    ]
    assert read_path_columns(table, "rgb", Faults()) is None
    assert read_path_columns(table, "dapi", Faults()) is None
    lacking = Faults()
    assert read_path_columns(table, "red,blue", lacking) is None
    assert lacking.texts == ["labels.csv: no column path_blue, though it has columns for other channels"]


def test_columns_that_name_a_file_twice_are_refused(tmp_path):
    touched(tmp_path, "1.png", "2.png", "3.png", "4.png")
    columns = {2: ["1.png", "2.png"], 3: ["3", "3.png"], 4: ["4.png", "./2"]}
    names, unclaimed, _, faults = match(tmp_path, ["a", "b", "c"], "green,red", columns=columns)
    assert names == ["1.png|2.png"]
    assert unclaimed == []
    assert faults == [
        "line 3, id 'b': path_red '3.png': is path_green of line 3 too; each channel needs a file of its own",
        "line 4, id 'c': path_red './2': is path_red of line 2 too; each channel needs a file of its own",
    ]


@pytest.mark.parametrize("channels", ["rgb", "gray", "rgby", "dapi", "DAPI, Alexa 488"])
@pytest.mark.parametrize("axes", ["", "YX", "CYX", "TZCYX", "YXS"])
def test_sound_options_have_no_fault(channels, axes):
    assert channel_faults(channels, "{id}-ch{channel}.tif", axes) == []


@pytest.mark.parametrize(
    ("channels", "pattern", "axes", "field"),
    [
        ("", "{id}_{channel}", "", "channels"), ("a,a", "{id}_{channel}", "", "channels"),
        ("a|b", "{id}_{channel}", "", "channels"), ("rgb", "{channel}", "", "channel_pattern"),
        ("rgb", "{id}_{stain}{channel}", "", "channel_pattern"), ("rgb", "{id}_{channel}", "cyx", "axes"),
        ("rgb", "{id}_{channel}", "CY", "axes"), ("rgb", "{id}_{channel}", "CYXQ", "axes"),
    ],
)  # fmt: skip
def test_unsound_options_are_named(channels, pattern, axes, field):
    (fault,) = channel_faults(channels, pattern, axes)
    assert fault.startswith(f"{field} = ")


def test_messages_name_a_shared_folder_once():
    assert brief(Path("x/a.png")) == "x/a.png"
    assert brief((Path("x/a_r.png"), Path("x/a_g.png"))) == "x/a_r.png|a_g.png"
    assert brief((Path("r/a.png"), Path("g/a.png"))) == "r/a.png|g/a.png"


def test_files_a_stain_that_nobody_asked_for_are_named_once(tmp_path):
    stains = ("yellow", "red", "green", "blue")
    touched(tmp_path, *(f"c{number}_{stain}.png" for number in range(3) for stain in stains))
    faults = match(tmp_path, ["c0", "c1", "c2"], "rgb")[3]
    assert faults == [
        "line 2, id 'c0': no such image; c0_red.png, c0_green.png, c0_blue.png, c0_yellow.png are there, and so for "
        "the 2 other ids without an image: a file a stain? give --channels rgby"
    ]
    assert len(match(tmp_path, ["c0", "c1", "c9"], "rgb")[3]) == 3
    touched(tmp_path / "own", "a_DAPI.tif", "a_far red.tif")
    faults = match(tmp_path / "own", ["a"], "er,golgi")[3]
    assert faults[0].endswith("a_DAPI.tif, a_far red.tif are there: a file a stain? give --channels 'DAPI,far red'")


def test_a_channel_that_is_nowhere_is_answered_with_those_there_are(tmp_path):
    touched(tmp_path, *(f"c{number}_{stain}.png" for number in range(3) for stain in ("DAPI", "GFP")))
    lines = list(range(2, 5))
    images, _, _ = match_images(["c0", "c1", "c2"], lines, tmp_path, "dapi,rfp", "{id}_{channel}", None, Faults())
    assert [image.reason for image in images] == [
        "c0_rfp is missing; the channels there are DAPI, GFP: --channels DAPI,GFP?",
        "c1_rfp is missing",
        "c2_rfp is missing",
    ]
