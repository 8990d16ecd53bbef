"""A drawing in fewer letters is the same drawing."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure as Canvas

from skineval.report.figures.compact import compact
from skineval.report.figures.style import WIDE, styled

LINK = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture(scope="module")
def svg() -> str:
    """Curves, marks, letters of both weights and a picture."""
    with styled(WIDE):
        figure, out = Canvas(figsize=(4, 3)), io.StringIO()
        axes = figure.subplots()
        axes.plot([0.1, 0.33333333, 0.7], [1e-7, -123.456789, 9], marker="o", label="a <b> & 'c'")
        axes.imshow([[0.0, 1.0], [1.0, 0.0]], extent=(0, 1, -100, 0))
        axes.set_title("In bold", fontweight="bold")
        axes.legend()
        figure.savefig(out, format="svg")
    return out.getvalue()


def elements(text: str) -> list[ElementTree.Element]:
    """All that is drawn, in order."""
    root = ElementTree.fromstring(text)
    for one in root.findall("{http://www.w3.org/2000/svg}metadata"):
        root.remove(one)
    return list(root.iter())


def words_and_numbers(value: str) -> tuple[list[str], list[float]]:
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    return re.findall(r"[A-Za-z#]", re.sub(number, " ", value)), [float(one) for one in re.findall(number, value)]


def test_every_element_is_where_it_was_within_a_hundredth_of_a_point(svg: str) -> None:
    before, after = elements(svg), elements(compact(svg))
    assert [one.tag for one in before] == [one.tag for one in after]
    for old, new in zip(before, after, strict=True):
        assert old.attrib.keys() == new.attrib.keys()
        for name in set(old.attrib) - {"id", LINK}:
            letters, numbers = words_and_numbers(old.attrib[name])
            found_letters, found = words_and_numbers(new.attrib[name])
            assert found_letters == letters
            assert found == pytest.approx(numbers, abs=0.0051)


def test_factors_are_kept_and_every_glyph_is_found_by_its_new_name(svg: str) -> None:
    found = compact(svg)
    assert 'transform="scale(0.015625)"' in found
    assert "DejaVu" in svg
    assert "DejaVu" not in found
    ids = {one.get("id") for one in elements(found)}
    links = [one.attrib[LINK] for one in elements(found) if one.tag.endswith("use")]
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    assert len(ids) == len({one.get("id") for one in elements(svg)})


def test_it_is_shorter_and_cannot_be_shortened_further(svg: str) -> None:
    assert len(compact(svg)) < 0.8 * len(svg)
    assert compact(compact(svg)) == compact(svg)
