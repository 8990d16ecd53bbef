"""report.html in a browser: it asks for nothing, complains of nothing, and fits into a telephone, dark or light."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from skineval.builtins.reporters import REPORTERS
from skineval.values.result import BenchResult
from tests.chromium import PROGRAM, Page, opened
from tests.report.bench.test_bench import HOSTILE

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")
#: What stands outside its own page, and in nothing that can be scrolled.
OUTSIDE = """[...document.querySelectorAll("body *")].filter(one => {
  for (let up = one; up; up = up.parentElement)
    if (getComputedStyle(up).overflowX != "visible") return false;
  return one.getBoundingClientRect().right > innerWidth + 1;
}).map(one => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def page(make_bench: Callable[..., BenchResult], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The report of systems with names that would do harm, open in a browser."""
    folder = tmp_path_factory.mktemp("bench")
    systems = (("resnet34", "none", 1.3), (HOSTILE, HOSTILE, 1.5))
    bench = make_bench(folder, systems=systems, failed=(HOSTILE,) * 3, seeds=(0,), warnings=("SYNTHETIC",))
    for reporter in REPORTERS:
        list(reporter.write(bench))
    with opened((folder / "report.html").as_uri(), tmp_path_factory.mktemp("browser")) as found:
        found.wait("document.readyState == 'complete'")
        yield found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1200])
def test_everything_is_on_the_page_in_the_colours_of_its_reader(page: Page, width: int, dark: bool) -> None:
    page.look(width, dark=dark)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(OUTSIDE) == []
    (red, *_) = re.findall(r"\d+", page.run("getComputedStyle(document.body).backgroundColor"))
    assert (int(red) < 128) == dark
    drawn = page.run("Promise.all([...document.images].map(one => one.decode().then(() => one.naturalWidth)))")
    assert len(drawn) > 10
    assert all(drawn)


def test_nothing_is_asked_for_run_or_complained_of(page: Page) -> None:
    page.look(400)
    assert page.complaints == []
    assert [one for one in page.requests if not one.startswith(("data:image/", "file:"))] == []
    assert sum(one.startswith("file:") for one in page.requests) == 1
    assert not [one for one in page.events if one.get("method") == "Page.javascriptDialogOpening"]
    assert page.run("document.body.innerText").count("alert(1)") > 5
