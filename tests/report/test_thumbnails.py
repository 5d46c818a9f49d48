"""Small pictures in a page: the right colours, the right size, and a browser can decode them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from report import thumbnails


def decoded(url: str) -> np.ndarray:
    head, _, content = url.partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


def test_colours_of_light_add_up():
    pixels = np.array([[[10, 20, 30, 40], [200, 0, 0, 100]]], dtype=np.uint8)
    shown = thumbnails.rgb(pixels, ["red", "green", "blue", "yellow"])
    assert shown.dtype == np.uint8 and shown.tolist() == [[[50, 60, 30], [255, 100, 0]]]
    assert list(thumbnails.channel_colours(["dapi", "Green", "gfp"]).values()) == ["#FF0000", "#00FF00", "#0000FF"]
    assert len(thumbnails.channel_colours([f"c{number}" for number in range(12)])) == 12


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_number_of_channels_can_be_shown(channels):
    image = np.full((5, 4, channels), 9, dtype=np.uint8)
    shown = thumbnails.rgb(image)
    assert shown.shape == (5, 4, 3) and shown.dtype == np.uint8 and shown.any()
    if channels in (1, 3):
        assert (shown == 9).all()


def test_what_is_no_image_is_refused():
    for image, channels in (
        (np.zeros((4, 4), np.uint8), ()),
        (np.zeros((4, 4, 3), np.float32), ()),
        (np.zeros((4, 4, 3), np.uint8), ("dapi", "gfp")),
    ):
        with pytest.raises(ValueError, match="an image must be"):
            thumbnails.rgb(image, channels)


def test_a_thumbnail_is_small_and_keeps_its_aspect_and_colours():
    image = np.zeros((200, 100, 3), dtype=np.uint8)
    image[:100] = (250, 20, 20)
    small = decoded(thumbnails.data_url(image, 64, 90))
    assert small.shape == (64, 32, 3)
    assert np.abs(small[8, 16].astype(int) - (250, 20, 20)).max() < 12
    assert decoded(thumbnails.data_url(image[:30, ::2], 64, 90)).shape == (30, 50, 3)
    assert len(thumbnails.data_url(image, 200, 30)) < len(thumbnails.data_url(image, 200, 95))
