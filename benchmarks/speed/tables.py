"""What was measured, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Sequence

from benchmarks.speed.rounds import EPOCHS, HAM10000, Measured, Result, ratios
from skineval.report.document import formatting

CSV_COLUMNS = ("case", "side", "precision", "round", "images", "seconds", "peak_gpu_bytes")


def markdown(results: Sequence[Result], machine: str, rounds: int) -> str:
    """All results: one section a case, with what each side did."""
    head = (
        f"{machine}\n\nEvery side once a round, another one first each time, {rounds} rounds after one to warm up; "
        "ratios are of turns of the same round, median (min to max). Loops with a loader are timed from their first "
        "batch on, skineval's as `images_per_second` in cells.csv.\n"
    )
    return "\n".join([head, *(_section(result) for result in results)])


def as_csv(results: Sequence[Result]) -> str:
    """Every turn of every side."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in results:
        for one in result.sides:
            for number, turn in enumerate(one.turns, start=1):
                row = (result.case, one.side.name, one.side.precision, number, turn.images, f"{turn.seconds:.4f}")
                writer.writerow([*row, "" if one.memory is None else one.memory])
    return buffer.getvalue()


def verdict(ours: Measured, other: Measured) -> str:
    """Whether the median ratio is what it should be; empty where nothing is promised."""
    if other.side.wanted is None:
        return ""
    met = statistics.median(ratios(ours, other)) >= other.side.wanted
    return f"at least {other.side.wanted:.2f}: {'met' if met else 'NOT MET'}"


def spread(values: Sequence[float], form: str) -> str:
    """Median, minimum and maximum."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _section(result: Result) -> str:
    on_gpu = result.sides[-1].memory is not None
    heads = ["side", "precision, layout", "augmentation", "images/s", "skineval / side", "wanted"]
    heads += ["peak GPU memory, GB", f"{EPOCHS} epochs of {HAM10000:,} images, minutes"] if on_gpu else []
    rule = ["---"] * 3 + ["---:"] * 2 + ["---"] + (["---:"] * 2 if on_gpu else [])
    lines = [heads, rule, *(_row(one, result.sides[-1], on_gpu) for one in result.sides)]
    lines += [
        [skipped.name, "skipped", formatting.markdown(skipped.reason), *[""] * (len(heads) - 3)]
        for skipped in result.skipped
    ]
    about = (
        f"## {result.case.model}, {result.case.image_size} px, augmentation {result.case.augment}\n\n"
        f"Batches of {result.batch_size}, {result.images} images a turn, from JPEG files of {result.files}; "
        f"{result.workers} worker(s) a loader; precision: {result.reason}.\n\n"
    )
    notes = [f"{one.side.name} {one.side.before}" for one in result.sides if one.side.before]
    after = f"\nNot in these figures: {'; '.join(notes)}.\n" if notes else ""
    return about + "".join(f"| {' | '.join(line)} |\n" for line in lines) + after


def _row(one: Measured, ours: Measured, on_gpu: bool) -> list[str]:
    itself = one is ours
    row = [one.side.name, one.side.precision, one.side.augmentation, spread(one.rates, ".0f")]
    row += ["1", ""] if itself else [spread(ratios(ours, one), ".2f"), verdict(ours, one)]
    return [*row, *_gpu_cells(one)] if on_gpu else row


def _gpu_cells(one: Measured) -> Iterator[str]:
    yield f"{(one.memory or 0) / 1e9:.2f}"
    yield f"{one.cell_seconds / 60:.1f}"
