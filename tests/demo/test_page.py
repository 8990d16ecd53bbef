"""The page in a browser: an image is chosen as a person does it, and everything that is told of it is seen."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.chromium import PROGRAM, opened
from tests.data.folders import encoded, photograph
from tests.demo.conftest import get, post

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")
SHOWN = "!document.getElementById('overlay').hidden && !document.querySelector('.busy')"

CHOOSE = """(() => {{
  const one = document.getElementById("explainer");
  one.value = "{}";
  one.dispatchEvent(new Event("change"));
}})()"""
GIVE = """(async () => {
  const file = new File([await (await fetch("api/samples/1")).blob()], "x.png");
  const data = new DataTransfer();
  data.items.add(file);
  document.dispatchEvent(new EVENT);
})()"""


@pytest.fixture(scope="module")
def page(address, tmp_path_factory):
    """The page, open in a browser."""
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with opened(address, tmp_path_factory.mktemp("browser"), *camera) as found:
        found.wait("document.body?.dataset.ready")
        yield found


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A real image where there is one."""
    file = tmp_path_factory.mktemp("image") / "image.jpg"
    data = os.environ.get("SKINEVAL_TEST_DATA")
    if data:
        with zipfile.ZipFile(Path(data) / "HAM10000_images_part_1.zip") as archive:
            file.write_bytes(archive.read(next(name for name in archive.namelist() if name.endswith(".jpg"))))
    else:
        file.write_bytes(encoded(photograph(1, 600, 450)))
    return file


def text(page, id_):
    return page.run(f"document.getElementById('{id_}').innerText")


def test_an_image_is_answered_with_bars_and_a_map_whose_slider_works(page, address, image):
    page.choose("#file", image)
    page.wait(SHOWN)
    found = post(address, image.read_bytes()).json()
    shares = page.run("[...document.querySelectorAll('#bars .value')].map(one => one.textContent)")
    assert shares == [f"{100 * share:.1f} %" for share in sorted(found["probabilities"].values(), reverse=True)]
    assert "malignant" in text(page, "malignancy-words")
    map_, picture = (
        page.run(f"(({{left, top, width, height}}) => [left, top, width, height])(document.getElementById('{id_}')"
                 ".getBoundingClientRect())")
        for id_ in ("overlay", "picture")
    )  # fmt: skip
    assert map_ == pytest.approx(picture, abs=1)
    assert map_[2] > 100
    opacities = []
    page.run("document.getElementById('opacity').focus()")
    for key, code in (("Home", 36), ("End", 35)):
        page.press(key, code)
        opacities.append(page.run("getComputedStyle(document.getElementById('overlay')).opacity"))
    assert opacities == ["0", "1"]


def test_another_explainer_gives_another_map_and_one_without_says_why(page, address, image):
    page.choose("#file", image)
    page.wait(SHOWN)
    before = page.run("document.getElementById('overlay').src")
    page.run(CHOOSE.format("occlusion"))
    page.wait(f"document.getElementById('explanation-words').textContent.includes('grey') && {SHOWN}")
    assert page.run("document.getElementById('overlay').src") != before
    page.run(CHOOSE.format("rollout"))
    page.wait("document.getElementById('explanation-words').textContent.includes('shows nothing')")
    assert page.run("document.getElementById('overlay').hidden")
    page.run(CHOOSE.format("gradcam"))
    page.wait(SHOWN)


def test_what_is_no_image_is_said_and_keeps_nothing_from_working(page, tmp_path, image):
    (tmp_path / "words.jpg").write_text("no image")
    page.choose("#file", tmp_path / "words.jpg")
    page.wait("!document.getElementById('error').hidden")
    assert "is not a JPEG" in text(page, "error")
    page.wait("document.getElementById('stage').hidden")
    (tmp_path / "large.jpg").write_bytes(bytes(9 * 2**20))
    page.choose("#file", tmp_path / "large.jpg")
    page.wait("document.getElementById('error').textContent.includes('8 MB')")
    page.choose("#file", image)
    page.wait(SHOWN)
    assert page.run("document.getElementById('error').hidden")


def test_of_a_format_that_browsers_do_not_show_what_the_network_sees_is_shown(page, tmp_path):
    (tmp_path / "image.tif").write_bytes(encoded(photograph(5, 60, 45), "TIFF"))
    page.choose("#file", tmp_path / "image.tif")
    page.wait(f"!document.getElementById('stage').hidden && {SHOWN}")
    assert page.run("document.getElementById('picture').src").startswith("data:image/png")


def test_samples_and_pasted_and_dropped_images_are_answered(page):
    page.run("document.querySelector('#sample-list button').click()")
    page.wait(f"!document.getElementById('reference').hidden && {SHOWN}")
    for event in ("ClipboardEvent('paste', {clipboardData: data})", "DragEvent('drop', {dataTransfer: data})"):
        page.run(GIVE.replace("EVENT", event))
        page.wait(f"document.getElementById('reference').hidden && {SHOWN}")


def test_a_photo_is_answered_and_the_camera_is_let_go(page):
    page.run("document.getElementById('result').hidden = true")
    page.run("document.getElementById('camera').click()")
    page.wait("document.getElementById('view').videoWidth > 0")
    page.run("document.getElementById('snap').click()")
    page.wait(f"!document.getElementById('result').hidden && {SHOWN}")
    assert page.run("document.getElementById('view').srcObject === null")


def test_it_says_what_it_is_and_what_was_measured(page, address):
    told = text(page, "standing")
    assert all(sentence in told for sentence in get(address, "api/model")["standing"])
    assert "no diagnosis" in page.run("document.querySelector('header').innerText")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, False), (1200, True)])
def test_it_fits_wide_and_narrow_and_in_the_dark(page, width, dark, tmp_path):
    assert page.look(width, dark=dark).startswith(b"\x89PNG")
    assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    light = page.run("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0] > 128")
    assert light is not dark


def test_everything_that_can_be_used_has_a_name_and_can_be_reached_by_keys(page):
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "slider", "link"}
    used = [one for one in nodes if one.get("role", {}).get("value") in roles and not one.get("ignored")]
    assert {one["role"]["value"] for one in used} == roles
    assert [one for one in used if not one.get("name", {}).get("value")] == []
    page.run("document.activeElement.blur()")
    seen = set()
    for _ in range(30):
        page.press("Tab", 9)
        seen.add(page.run("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "file", "camera", "explainer", "target", "opacity"} <= seen


def test_it_asks_nobody_else_for_anything_and_nothing_is_in_the_console(page, address):
    """Last, of all that was done above."""
    strange = [url for url in page.requests if not url.startswith((address, f"blob:{address}", "data:image/png"))]
    assert strange == []
    refused = [one for one in page.complaints if "415" not in str(one)]  # Chromium notes what the third test provoked
    assert refused == []
