"""A drawing in fewer letters is the same drawing."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from skineval.report.figures.compact import compact
from skineval.report.figures.style import WIDE, styled

LINKS = ("{http://www.w3.org/1999/xlink}href", "href")


@pytest.fixture(scope="module")
def svg() -> str:
    """Curves, marks, letters of both weights and a picture."""
    with styled(WIDE):
        figure, out = Canvas(figsize=(4, 3)), io.StringIO()
        axes = figure.subplots()
        axes.plot([0.1, 0.33333333, 0.7], [1e-7, -123.456789, 9], marker="o", label="a <b> & 'c'")
        axes.step(np.linspace(0.1, 0.7, 12), np.geomspace(1, 100, 12))
        axes.imshow([[0.0, 1.0], [1.0, 0.0]], extent=(0, 1, -100, 0))
        axes.set_title("In bold", fontweight="bold")
        axes.legend()
        figure.savefig(out, format="svg")
    return out.getvalue()


def elements(text: str) -> list[ElementTree.Element]:
    """All that is drawn, in order, without groups that say nothing but their name."""
    root = ElementTree.fromstring(text)
    for one in root.findall("{http://www.w3.org/2000/svg}metadata"):
        root.remove(one)
    return [one for one in root.iter() if not one.tag.endswith("}g") or set(one.attrib) - {"id"}]


def words_and_numbers(value: str) -> tuple[list[str], list[float]]:
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    return re.findall(r"[A-Za-z#]", re.sub(number, " ", value)), [float(one) for one in re.findall(number, value)]


def is_letter(one: ElementTree.Element) -> bool:
    return one.tag.endswith("path") and "transform" in one.attrib


def is_in_word(one: ElementTree.Element) -> bool:
    """Whether it is a glyph, whose place is in hundredths of its size."""
    return one.tag.endswith("use") and "style" not in one.attrib


def traced(path: str, factor: float = 1) -> tuple[list[str], list[float]]:
    """The commands of a path, lines in any direction alike, and where its points lie, times `factor`."""
    commands, points, pen, start = [], [], (0.0, 0.0), (0.0, 0.0)
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        values = words_and_numbers(re.sub(r"(?<!\d)\.", "0.", numbers))[1]
        if command in "hv":
            values.insert("hv".index(command) ^ 1, 0.0)
        near = pen if command.islower() else (0.0, 0.0)
        placed = [(near[0] + x, near[1] + y) for x, y in zip(values[::2], values[1::2], strict=True)]
        commands.append("L" if command in "hv" else command.upper())
        points += [factor * value for point in placed for value in point]
        pen = placed[-1] if placed else start
        start = pen if command in "Mm" else start
    return commands, points


def outline(letter: ElementTree.Element) -> tuple[list[str], list[float]]:
    """A glyph, in hundredths of its size."""
    (factor,) = words_and_numbers(letter.attrib["transform"])[1]
    return traced(letter.get("d", ""), factor)


def placed(one: ElementTree.Element) -> dict[str, str]:
    """What is said of where an element is; of a glyph in its word by x and y, both."""
    said = {name: value for name, value in one.attrib.items() if name not in ("id", *LINKS)}
    if is_in_word(one):
        x, y = words_and_numbers(said.pop("transform", "0 0"))[1]
        said = {"x": str(x), "y": str(y), **said}
    return said


def test_every_element_is_where_it_was(svg: str) -> None:
    before, after = elements(svg), elements(compact(svg))
    assert [one.tag for one in before] == [one.tag for one in after]
    for old, new in zip(before, after, strict=True):
        if is_letter(old):
            (commands, points), (found_commands, found) = outline(old), outline(new)
            assert (found_commands, found) == (commands, pytest.approx(points, abs=0.126))
            continue
        said, found_said = placed(old), placed(new)
        assert said.keys() == found_said.keys()
        if "d" in said:
            (commands, points), (found_commands, found) = traced(said.pop("d")), traced(found_said.pop("d"))
            assert (found_commands, found) == (
                commands,
                pytest.approx(points, abs=0.051 if commands.count("L") > 8 else 0.0051),
            )
        for name, value in said.items():
            letters, numbers = words_and_numbers(value)
            found_letters, found = words_and_numbers(found_said[name])
            assert found_letters == letters
            assert found == pytest.approx(numbers, abs=0.501 if is_in_word(old) else 0.0051)


def test_every_glyph_is_found_by_its_new_name(svg: str) -> None:
    found = compact(svg)
    assert "DejaVu" in svg
    assert "DejaVu" not in found
    ids = {one.get("id") for one in elements(found)}
    links = [one.attrib["href"] for one in elements(found) if one.tag.endswith("use")]
    assert links
    assert {link.removeprefix("#") for link in links} <= ids
    assert len(ids) == len({one.get("id") for one in elements(svg)})


def test_it_is_shorter_and_cannot_be_shortened_further(svg: str) -> None:
    assert len(compact(svg)) < 0.55 * len(svg)
    assert compact(compact(svg)) == compact(svg)
