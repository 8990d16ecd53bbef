"""What a gallery of heatmaps shows, and what it says in words where a picture would mislead."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from skineval.base.scheme import WARNING, dark_rules
from skineval.base.svg import LINE
from skineval.catalog.specs import Grid
from skineval.explain.gallery import LETTERS, PANEL, WIDTH, Example, gallery

SVG = "{http://www.w3.org/2000/svg}"
SIDE = 32
RAMP = np.tile(np.linspace(0, 3, SIDE, dtype=np.float32), (SIDE, 1))
DISC = np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]) < 0.5
EXAMPLE = Example("ISIC_1", "nv", 0.75, np.full((SIDE, SIDE, 3), 90, np.uint8), RAMP, "nv", "mel", 0.25, DISC)
OF = "for the predicted class"


def drawn(*examples, **options):
    return ElementTree.fromstring(gallery("mel: gradcam of cnn/none", {"": examples}, **{"of": OF, **options}))


def words(svg):
    return " ".join("".join(text.itertext()) for text in svg.iter(f"{SVG}text"))


def pictures(svg):
    uris = [image.get("href").partition(",")[2] for image in svg.iter(f"{SVG}image")]
    return [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in uris]


def test_it_shows_the_original_the_heatmap_and_both_with_class_and_probability():
    svg = drawn(EXAMPLE)
    original, heat, veil = pictures(svg)
    assert (np.abs(np.asarray(original, dtype=int) - 90) <= 2).all()
    viridis = colormaps["viridis"](RAMP / RAMP.max())[:, :, :3] * 255
    assert np.abs(np.asarray(heat.convert("RGB"), dtype=float) - viridis).max() <= 4
    opacity = np.asarray(veil.convert("RGBA"))[:, :, 3] / 255
    assert opacity[:, 0].max() == 0
    assert 0.4 < opacity[:, -1].min() <= opacity.max() < 0.5, "the lesion is hidden"
    assert len(list(svg.iter(f"{SVG}use"))) == 1  # the photograph below the veil
    said = words(svg)
    assert "✗ wrong: predicted nv 0.75, reference mel 0.25" in said
    assert "ISIC_1" in said
    assert "none" in said
    assert "most in the image" in said
    assert "✓ right: predicted mel 0.75" in words(drawn(replace(EXAMPLE, predicted="mel")))
    unknown = words(drawn(replace(EXAMPLE, reference=""), of="for nv against mel"))
    assert "predicted nv 0.75" in unknown
    assert "right" not in unknown
    assert "wrong" not in unknown
    assert "relevance for nv against mel:" in unknown


def test_groups_stand_apart_below_what_they_are_called():
    one, two = replace(EXAMPLE, image_id="one"), replace(EXAMPLE, image_id="two")
    svg = ElementTree.fromstring(gallery("mel", {"right ones": [one], "wrong ones": [two]}, of=OF))
    height = {"".join(text.itertext()): float(text.get("y")) for text in svg.iter(f"{SVG}text")}
    assert height["right ones"] < height["one"] < height["wrong ones"] < height["two"]
    assert height["two"] < float(svg.get("height"))


def test_the_outline_is_that_of_the_mask():
    paths = {path.get("d") for path in drawn(EXAMPLE).iter(f"{SVG}path") if path.get("transform")}
    (outline,) = paths
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", outline), dtype=float)
    radius = np.hypot(*(points - PANEL / 2).T)
    assert np.abs(radius - 0.5 * PANEL / 2).max() < 0.05 * PANEL
    without = drawn(replace(EXAMPLE, mask=None))
    assert not list(without.iter(f"{SVG}path"))
    assert "outline" not in words(without)
    assert "outline of the lesion" in words(drawn(EXAMPLE))


def test_an_outline_that_leaves_the_image_is_closed_at_its_border():
    svg = drawn(replace(EXAMPLE, mask=np.ones((64, 64), dtype=bool)))
    outline = next(path.get("d") for path in svg.iter(f"{SVG}path") if path.get("transform"))
    points = np.array(re.findall(r"([\d.]+) ([\d.]+)", outline), dtype=float)
    assert (points.min(), points.max()) == (0, PANEL)
    assert outline.endswith("Z")


@pytest.mark.parametrize(
    ("values", "said"),
    [(0.0, "nothing in it speaks for nv"), (2.5, "the same everywhere")],
)
def test_a_flat_map_is_told_and_not_shown(values, said):
    svg = drawn(replace(EXAMPLE, values=np.full((SIDE, SIDE), values, dtype=np.float32)))
    assert said in words(svg)
    assert len(pictures(svg)) == 1
    assert "most in the image" not in words(svg)


def test_it_says_from_how_few_positions_a_map_was_enlarged():
    assert "Maps of 2 × 2 positions, enlarged to 32 × 32 pixels, too coarse" in words(drawn(EXAMPLE, grid=Grid(2, 2)))
    fine = words(drawn(EXAMPLE, grid=Grid(7, 8)))
    assert "7 × 8 positions" in fine
    assert "coarse" not in fine
    assert "a single position: it cannot say where" in words(drawn(EXAMPLE, grid=Grid(1, 1)))
    assert "positions" not in words(drawn(EXAMPLE))


def test_stamps_stand_above_it_in_red():
    svg = drawn(EXAMPLE, stamps=("SYNTHETIC", "LEAKY"))
    first = next(svg.iter(f"{SVG}text"))
    assert first.text == "[SYNTHETIC] [LEAKY]"
    assert WARNING in first.get("style")


def test_it_can_be_read_on_a_page_of_400_pixels_in_dark_too_and_loads_nothing():
    data = gallery("mel: gradcam", {"": [EXAMPLE]}, of=OF)
    assert LETTERS * 360 / WIDTH >= 9
    assert dark_rules().encode() in data
    assert all(uri.startswith((b"data:image/", b"#at")) for uri in re.findall(rb'href="([^"]*)', data))
    assert data == gallery("mel: gradcam", {"": [EXAMPLE]}, of=OF)


def test_names_of_others_are_shown_and_not_run():
    hostile = "</text><script>alert(1)</script>\x1b\x00&" + "x" * 500
    svg = drawn(replace(EXAMPLE, image_id=hostile, predicted=hostile))
    assert not list(svg.iter(f"{SVG}script"))
    assert "</text><script>" in words(svg)
    assert max(len(text.text or "") for text in svg.iter(f"{SVG}text")) <= 80


def test_names_of_forty_letters_are_told_in_full():
    long, other = "seborrheic-squamous-spitz-lentigo-of-0096", "scar-basal-psoriasis-reed-keratosis-0042x"
    wrong = replace(EXAMPLE, reference=long, predicted=other)
    svg = drawn(wrong, wrong)
    lines = ["".join(text.itertext()) for text in svg.iter(f"{SVG}text") if text.get("font-weight") == "bold"]
    assert " ".join(lines).count(f"predicted {other} 0.75, reference {long} 0.25") == 2
    assert max(map(len, lines)) <= 56
    assert float(svg.get("height")) - float(drawn(EXAMPLE, EXAMPLE).get("height")) == 2 * 2 * LINE
