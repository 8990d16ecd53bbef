"""report.md and report.html: the same document, complete, inert, and readable without anything else."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from skineval.builtins.reporters import REPORTERS
from skineval.data.tasks import ABSENT, LEFT_OUT
from skineval.report import prepare
from skineval.report.bench import bench as sections
from skineval.report.bench import looks
from skineval.report.bench.leaderboard import internal
from skineval.report.bench.methods import methods
from skineval.report.bench.verdict import verdict
from skineval.report.document import blocks, html, markdown
from skineval.report.document.blocks import Figure
from skineval.report.document.excerpt import Shown
from skineval.report.document.tables import Table, format_cell
from skineval.report.figures.style import Drawn
from skineval.values.measures import Difference, Estimate
from skineval.values.result import BenchResult, ExternalData, ExternalTest
from skineval.values.task import DIAGNOSES

Make = Callable[..., BenchResult]

ALL = Shown(DIAGNOSES, DIAGNOSES)
HOSTILE = "<img src=x onerror=alert(1)>|`[/][link=http://evil]\x1b[31m=cmd()</script><script>alert(2)</script>"


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def written(bench: BenchResult) -> tuple[str, str]:
    for reporter in REPORTERS:
        for file in reporter.write(bench):
            assert file.is_file()
    return tuple((bench.folder / name).read_text(encoding="utf-8") for name in ("report.md", "report.html"))  # type: ignore[return-value]


def test_the_html_report_loads_nothing(written: tuple[str, str]) -> None:
    page = Page(written[1])
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        if "src" in attributes:
            assert str(attributes["src"]).startswith("data:image/")
        if "href" in attributes:
            assert str(attributes["href"]).startswith(("#", "cells/"))
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    assert "data:image/svg+xml," in written[1]
    assert re.search(r"https?://", re.sub(r"data:[^\"]+", "", written[1])) is None


def test_the_words_under_every_comparison_say_what_an_interval_does_not(written: tuple[str, str]) -> None:
    for words in (written[0], "".join(Page(written[1]).words)):
        assert words.count("so that near 0 they may disagree") == 2  # the comparison and the paired differences
        assert "whether two of them differ is said by their paired difference" in words


def test_the_policy_names_the_script_and_style_that_are_there(written: tuple[str, str]) -> None:
    (policy,) = [
        str(attributes["content"])
        for tag, attributes in Page(written[1]).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", written[1], re.DOTALL)
        assert f"'{html._hash(content)}'" in policy


def test_both_reports_hold_every_section_and_every_number(bench: BenchResult, written: tuple[str, str]) -> None:
    text, page = written[0], "".join(Page(written[1]).words)
    report = sections.build(bench, [], {})
    for section in report.sections:
        assert f"## {section.title}" in text
        assert section.title in page
    for row in sections.comparisons(bench)[0].rows:
        for value in row.cells:
            if isinstance(value, Estimate):
                assert format_cell(value, "score") in text
                assert f"{value.value:.3f}" in page


def test_the_command_stands_there_as_one_types_it(written: tuple[str, str]) -> None:
    assert "skineval bench --data 'my data' --models resnet34,densenet121" in written[0]


def test_every_picture_of_the_markdown_report_is_there(bench: BenchResult, written: tuple[str, str]) -> None:
    pictures = re.findall(r"!\[[^\n]*\]\(([^)]+)\)", written[0])
    links = re.findall(r"[^!]\[[^\]]*\]\((cells/[^)]+)\)", written[0])
    assert len(pictures) == 7 + 3 * 2 + 2 + 3 * 3
    assert links
    for file in (*pictures, *links):
        assert (bench.folder / unquote(file)).is_file()


def test_figures_are_drawn_once_for_all_reporters_and_forgotten_with_the_bench(
    make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(prepare, "draw", lambda bench: calls.append(1) or [])
    bench = make_bench(tmp_path, seeds=(0,))
    for reporter in REPORTERS:
        list(reporter.write(bench))
    assert len(calls) == 1
    made = weakref.ref(prepare.prepared(bench))
    del bench
    gc.collect()  # a template that was rendered holds what it was given
    assert made() is None


def test_figures_of_an_earlier_report_are_removed_and_nothing_else(
    make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Drawn(Figure("figures/roc.svg", "title", "caption", "alt", "roc"), {"figures/roc.svg": b"<svg/>"})
    monkeypatch.setattr(prepare, "draw", lambda bench: [shown])
    bench = make_bench(tmp_path, seeds=(0,))
    old = ("figures/confusion-old.svg", "figures/samples.png")
    others = ("figures/notes.txt", "figures/mine/plot.svg", "plot.png")
    for name in (*old, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for reporter in REPORTERS:
        list(reporter.write(bench))
    assert not any((tmp_path / name).exists() for name in old)
    assert all((tmp_path / name).is_file() for name in (*others, shown.figure.file))


def test_figures_behind_a_link_are_left_alone(
    make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "draw", lambda bench: [])
    bench = make_bench(tmp_path / "bench", seeds=(0,))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "plot.svg").write_bytes(b"x")
    (bench.folder / "figures").symlink_to(tmp_path / "elsewhere")
    for reporter in REPORTERS:
        list(reporter.write(bench))
    assert (tmp_path / "elsewhere" / "plot.svg").is_file()


def test_hostile_names_are_inert_in_both(make_bench: Make, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, systems=((HOSTILE, "none", 1.5),), failed=(HOSTILE, HOSTILE, HOSTILE), seeds=(0,))
    report = sections.build(bench, [Figure("figures/a.svg", HOSTILE, HOSTILE, HOSTILE, "overview", HOSTILE)], {})
    page = Page(html.document(report, lambda file: b"<svg/>"))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1
    assert tags.count("img") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert any("<img src=x onerror=alert(1)>" in words.replace("\n", " ") for words in page.words)

    text = markdown.document(report)
    assert "\x1b" not in text
    assert "<img" not in text
    assert "<script" not in text
    assert "http://" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
            assert re.search(r"(?<!\\)`", line) is None


def said(bench: BenchResult) -> str:
    """The words of the verdict."""
    lines = ([one.words] if isinstance(one, blocks.Paragraph) else one.items for one in verdict(internal(bench)))
    return " ".join(line for several in lines for line in several)


def test_the_verdict_says_who_is_best_by_how_much_and_how_sure(bench: BenchResult) -> None:
    words = said(bench)
    assert "resnet34/focal:gamma=1.5 ranks first: a balanced accuracy of 0.662 [0.609, 0.715]" in words
    assert "ahead of the next, densenet121/class_weights, by 0.051" in words
    assert "chance would rarely make (p = 0.008" in words
    assert "2 of 8 cells did not finish" in words
    assert "trivial rule, which looks at no image, has 0.143" in words


def test_the_verdict_names_the_systems_that_cannot_be_told_apart_from_the_best(bench: BenchResult) -> None:
    first, second = bench.differences
    words = said(replace(bench, differences=[replace(first, p_holm=0.4), second]))
    assert "by 0.051 [0.021, 0.081], which may be chance (p = 0.400" in words
    assert "cannot be told apart from densenet121/class_weights; from the other one it can." in words
    words = said(replace(bench, differences=[replace(first, p_holm=0.4), replace(second, p_holm=float("nan"))]))
    assert "cannot be told apart from densenet121/class_weights and resnet34/none." in words
    assert "can be told apart from each of the 2 other systems" in said(bench)


def test_the_verdict_says_on_which_metrics_others_are_ahead(bench: BenchResult) -> None:
    def of(metric: str, values: list[float], p_holm: list[float]) -> list[Difference]:
        return [
            replace(one, metric=metric, value=value, low=value - 0.01, high=value + 0.02, p_holm=p)
            for one, value, p in zip(bench.differences, values, p_holm, strict=True)
        ]

    added = [
        *of("macro_auc", [-0.03, -0.05], [0.01, 0.2]),  # who is ahead for certain is named before who may be by chance
        *of("nll", [0.25, 0.5], [0.0001, 0.0001]),  # of which less is better
        *of("recall_mel", [-0.02, 0.1], [0.3, 0.01]),
        *of("accuracy", [0.1, 0.0], [0.01, 1.0]),
    ]
    words = said(replace(bench, differences=[*bench.differences, *added]))
    assert "Macro AUC: densenet121/class_weights by 0.030 [0.010, 0.040] (p = 0.010)." in words
    assert "NLL: resnet34/none by 0.500 [0.490, 0.520] (p <0.001)." in words
    assert (
        "Melanoma recall: densenet121/class_weights by 0.020 [0.000, 0.030], which may be chance (p = 0.300)" in words
    )
    assert words.index("NLL:") < words.index("Macro AUC:") < words.index("Melanoma recall:")
    assert "No other system is ahead of it on accuracy." in words
    assert "ahead of it" not in said(bench)


def test_the_verdict_says_when_nothing_beats_a_trivial_rule(bench: BenchResult) -> None:
    words = said(replace(bench, scores=[one if one.baseline else replace(one, low=0.1) for one in bench.scores]))
    assert "not shown to be better than a trivial rule" in words


def test_a_bench_without_a_finished_cell_still_has_reports(make_bench: Make, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, systems=())
    for reporter in REPORTERS:
        list(reporter.write(bench))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "No cell finished" in text
    assert "smote:k=3 needs 4 images" in text


def test_stamps_stand_in_every_title(bench: BenchResult) -> None:
    report = sections.build(replace(bench, warnings=("LEAKY",)), [], {})
    text = markdown.document(report)
    titles = re.findall(r"^\*\*(?:Comparison|Per class|Paired|Calibration|Images of|Cells)[^\n]*", text, re.MULTILINE)
    assert len(titles) == 8
    assert all("LEAKY" in title for title in (*titles, text.splitlines()[0]))
    assert "<b>LEAKY</b>: siblings or copies of test images" in html.document(report, lambda file: b"")


def test_on_paper_every_page_is_stamped_by_known_words_alone_and_none_is_dark(bench: BenchResult) -> None:
    stamped = replace(bench, warnings=("LEAKY", "NOT COMPARABLE: a sample", '\\" } body { display: none } a { "'))
    page = html.document(sections.build(stamped, [], {}), lambda file: b"")
    assert '@bottom-left { content: "LEAKY · NOT COMPARABLE"; ' in page
    assert page.count("prefers-color-scheme: dark") == page.count("screen and (prefers-color-scheme: dark)") == 1


def test_the_flow_counts_images_and_shared_groups(bench: BenchResult) -> None:
    table, proof = sections.flow(bench, ALL)
    assert isinstance(table, Table)
    assert [row.cells[1:3] for row in table.rows] == [("train", 900), ("validation", 160), ("test", 400)]
    assert isinstance(proof, blocks.Paragraph)
    split = bench.split.copy()
    split.loc[split.index[-1], "group"] = split.loc[split["part"] == "test", "group"].iloc[0]
    *_, proof = sections.flow(replace(bench, split=split), ALL)
    assert proof.weighty  # type: ignore[union-attr]


def test_what_a_task_leaves_out_stands_where_its_classes_are_listed(bench: BenchResult) -> None:
    notes = (f"{LEFT_OUT} dx7 has no class for their labels: scc (20 images)", f"{ABSENT} for want of images: vasc")
    environment = replace(bench.environment, data=replace(bench.environment.data, notes=notes))
    told = replace(bench, environment=environment)
    words = "has no class for their labels: scc (20 images). No class of the task for want of images: vasc."
    assert words in sections.subject(told)
    assert words in " ".join(str(block) for block in methods(told, internal(told)))


@pytest.mark.parametrize(
    ("malignant", "words"),
    [
        (("akiec", "bcc", "mel"), "Counted as malignant: akiec, bcc and mel."),
        ((), "None of its classes counts as malignant"),
        (None, "Which of its classes are malignant is not known"),
    ],
)
def test_what_counts_as_malignant_is_said_in_words(
    bench: BenchResult, malignant: tuple[str, ...] | None, words: str
) -> None:
    told = replace(bench, task=replace(bench.task, malignant=malignant))
    assert words in " ".join(str(block) for block in methods(told, internal(told)))


def test_real_data_bring_their_licence_and_synthetic_data_do_not(bench: BenchResult) -> None:
    def said(data: dict[str, str], warnings: tuple[str, ...] = ()) -> str:
        facts = replace(bench.environment.data, notes=(), **data)  # type: ignore[arg-type]
        changed = replace(bench, environment=replace(bench.environment, data=facts), warnings=warnings)
        return " ".join(sections.limitations(changed, internal(changed)))

    ham10000 = {"name": "HAM10000", "layout": "HAM10000 as on Kaggle, files", "licence": "CC BY-NC 4.0"}
    of_ham10000 = "HAM10000 is licensed CC BY-NC 4.0, for non-commercial use."
    assert of_ham10000 in said(ham10000)
    assert "53 %" in said(ham10000)
    assert "licen" not in said(ham10000, ("SYNTHETIC",))
    others = said({"name": "theirs", "layout": "laid out like HAM10000, files", "licence": "CC0"})
    assert "theirs is licensed CC0." in others
    unknown = said({"name": "HAM10000", "layout": "one folder a class, files", "licence": ""})
    assert "The licence of HAM10000 is not known" in unknown
    assert all("53 %" not in text and "CC BY-NC" not in text for text in (others, unknown))


def test_explanations_of_the_best_systems_are_shown_and_all_others_linked(make_bench: Make, tmp_path: Path) -> None:
    systems = [(f"model{place}", "none", 2 - 0.3 * place) for place in range(4)]
    bench = make_bench(tmp_path, systems=systems)
    panels = {cell.run_id: prepare._panels(tmp_path, cell, ()) for cell in bench.finished}
    folds = [block for block in looks.galleries(bench, internal(bench), panels) if isinstance(block, blocks.Fold)]
    assert [fold.title for fold in folds] == [f"model{place}/none" for place in range(4)]
    kinds = [[type(block).__name__ for block in fold.blocks] for fold in folds]
    assert kinds == [["Paragraph", "Figure", "Figure", "Figure", "Links"]] * 3 + [["Links", "Links"]]


def test_what_a_finished_cell_lacks_stands_where_it_would_be_shown_with_the_reason(
    make_bench: Make, tmp_path: Path
) -> None:
    bench = make_bench(tmp_path, failed=None)
    why = "predicting clinic: DiskError: No space; explaining with gradcam: interrupted"
    lacking, *others = bench.finished
    lacking = replace(lacking, explanations={}, lacking=why)
    about = ExternalData(
        name="clinic",
        data="clinic",
        layout="",
        licence="",
        fingerprint="",
        key="clinic",
        synthetic=False,
        images=400,
        lesions_known=True,
        tested_images=400,
        tested_lesions=300,
        excluded={},
        notes=("age is not known: t.csv has no column years",),
    )
    known = {cell.run_id: cell.predictions for cell in others}
    external = ExternalTest(name="clinic", about=about, predictions=known, scores=bench.scores)
    bench = replace(bench, finished=[lacking, *others], externals=[external])
    where = f"{lacking.system}, fold {lacking.fold}, seed {lacking.seed}"
    for said, what in (
        (looks.galleries(bench, internal(bench), {}), "explanations by gradcam"),
        (sections.externals(bench, internal(bench)), "predictions for clinic"),
    ):
        assert [block.words for block in said if isinstance(block, blocks.Paragraph) and block.weighty] == [
            f"{where} has no {what}: {why}."
        ]
    assert blocks.Bullets(about.notes) in list(sections.externals(bench, internal(bench)))


@pytest.mark.parametrize(("threads", "told"), [((1, 1, 2), True), ((2, 2, 2), False), ((None, 2, 2), False)])
def test_cells_that_were_made_with_other_numbers_of_threads_are_told(
    bench: BenchResult, threads: tuple[int | None, ...], told: bool
) -> None:
    given = [*threads, *[2] * len(bench.finished)]
    cells = [replace(cell, threads=one) for cell, one in zip(bench.finished, given, strict=False)]
    mixed = replace(bench, finished=cells)
    (table,) = sections.comparisons(replace(mixed, externals=()))
    assert ("made with 1 and 2 threads" in " ".join(table.footnotes)) == told
    report = sections.build(mixed, (), {})
    assert ("made with 1 and 2 threads" in str(report.sections)) == told
