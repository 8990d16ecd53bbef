"""Whether figures are plausible: what is too good or too poor to be taken as it stands, and what training says of it.

Bands are rough: they warn, and nothing is ranked or left out by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from skineval.base.terms import LESION, PRIMARY, SYNTHETIC, UNCHANGED
from skineval.data.layouts import ham10000
from skineval.measure.names import LOWER_IS_BETTER, is_ensemble
from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.document import formatting
from skineval.report.document.blocks import Paragraph
from skineval.values.measures import Score
from skineval.values.result import BenchResult, CellResult
from skineval.values.task import DIAGNOSES


@dataclass(frozen=True)
class Band:
    """Between which figures of one metric single models lie, and above which one calls for an audit."""

    metric: str
    name: str
    low: float
    high: float
    incredible: float = inf

    @property
    def words(self) -> str:
        """Such as `0.65 to 0.78`."""
        return f"{formatting.decimal(self.low, 2)} to {formatting.decimal(self.high, 2)}"


#: Of one network with ImageNet weights at about 224 pixels on whole lesions of HAM10000. Five architectures of one
#: public repository (ham-triage) have a balanced accuracy of .71 to .78 on 1,502 test images, six together .81; what is
#: known above .85 are ensembles with further data (ISIC 2018 Task 3, places 1 to 3: .885, .882, .871).
BANDS = (
    Band(PRIMARY, "balanced accuracy", 0.65, 0.78, incredible=0.85),
    Band("accuracy", "accuracy", 0.74, 0.86, incredible=0.90),
    Band("macro_auc", "macro AUC", 0.93, 0.97),
)
_ABOUT_224 = range(192, 289)  # pixels
_OVERFITTED = 2.0  #: times the loss on the train part, from which on that on the validation part is told
_ROUNDING = 1e-12
_NAMED = 6  # systems that are named in one sentence
_AUDIT = "skineval data audit looks for images of one lesion, and for copies, that stand in several parts"
_TRIVIAL = ((PRIMARY, "balanced accuracy"), ("accuracy", "accuracy"), ("nll", "NLL"))


def doubts(bench: BenchResult, board: Leaderboard) -> Iterator[Paragraph]:
    """What nobody should believe without an audit, for the verdict."""
    for words in incredible(bench, board):
        yield Paragraph(words, weighty=True)


def remarks(bench: BenchResult, board: Leaderboard) -> Iterator[str]:
    """What is to be said of figures and of training, below the comparison and among the limitations."""
    yield from incredible(bench, board)
    yield from _outside(bench, board)
    yield from _trivial(board)
    yield from _of_training(bench)


def incredible(bench: BenchResult, board: Leaderboard) -> Iterator[str]:
    """Single models that are better than any that is known without leakage, on seven diagnoses of real images."""
    if not _is_real(bench):
        return
    for band in BANDS:
        above = [one for one in _single(board, band.metric) if one.value > band.incredible]
        if above:
            yield (
                f"{_named(above)}: {band.name} above {formatting.decimal(band.incredible, 2)}, which is more than is "
                "known of any single model on these diagnoses without leakage (published, as of ham-triage: a balanced "
                f"accuracy of 0.779 at most). Audit the data before believing it: {_AUDIT}."
            )


def _outside(bench: BenchResult, board: Leaderboard) -> Iterator[str]:
    """Models like those that the bands are of, and outside of one of them."""
    alike = {cell.system for cell in bench.finished if _is_alike(bench, cell)}
    for band in BANDS:
        mine = [one for one in _single(board, band.metric) if one.system in alike]
        usual = (
            f"on whole lesions of {ham10000.NAME} one network with ImageNet weights has {band.words}, roughly, after "
            "published ones"
        )
        above = [one for one in mine if band.high < one.value <= band.incredible]
        if above:
            yield f"{_named(above)}: more {band.name} than is usual; {usual}. {_AUDIT}."
        if mine and max(one.value for one in mine) < band.low:
            yield f"{_named(mine)}: less {band.name} than is usual; {usual}. Look at labels, and at curves of training."


def _trivial(board: Leaderboard) -> Iterator[str]:
    """Systems that are no better than a rule which looks at no image."""
    for metric, name in _TRIVIAL:
        sign = -1 if metric in LOWER_IS_BETTER else 1
        rules = board.figures(metric, baseline=True).values()
        rule = max(rules, key=lambda one: sign * one.value, default=None)
        everyone = board.figures(metric).values()
        beaten = [one for one in everyone if rule and sign * (one.value - rule.value) <= _ROUNDING]
        if rule and beaten:
            names = _few([formatting.plain(one.system) for one in beaten])
            cost = " What evens out classes may cost accuracy." * (metric == "accuracy")
            figure = formatting.format_estimate(rule)
            yield f"No better {name} than {rule.system}, which looks at no image and has {figure}: {names}.{cost}"


def _of_training(bench: BenchResult) -> Iterator[str]:
    """What curves of training say: which networks might go on learning, and which know their train part by heart."""
    # A network that several strategies share is one, and has one history.
    networks = {cell.network or cell.run_id: cell for cell in reversed(bench.finished) if len(cell.history)}
    trained = [cell for cell in bench.finished if networks.get(cell.network or cell.run_id) is cell]
    last = [cell for cell in trained if _kept(cell) + 1 == len(cell.history) >= bench.recipe.epochs]
    if last:
        yield (
            f"{_counted(last, trained)}: the last epoch was the best on the validation part, so that training may have "
            "ended while it still improved; more epochs would tell."
        )
    # The loss of other strategies is another one, and label smoothing raises it: only these two can be compared.
    plain = [cell for cell in trained if cell.imbalance == UNCHANGED and not bench.recipe.label_smoothing]
    gaping = [cell for cell in plain if _gap(cell) > _OVERFITTED]
    if gaping:
        yield (
            f"{_counted(gaping, plain)}: in the epoch that is kept, the loss on the validation part is more than "
            f"{_OVERFITTED:g} times that on the train part, which is a sign of overfitting."
        )


def _is_real(bench: BenchResult) -> bool:
    """Whether seven diagnoses of images that are not made up are told apart."""
    is_made_up = any(formatting.stamp_word(stamp) == SYNTHETIC for stamp in bench.warnings)
    return bench.classes == DIAGNOSES and not is_made_up


def _is_alike(bench: BenchResult, cell: CellResult) -> bool:
    """Whether a cell is of the kind that the bands are of."""
    return (
        _is_real(bench)
        and not bench.warnings
        and bench.environment.data.layout.startswith(ham10000.NAME)  # any folder may be called so
        and bench.recipe.protocol == LESION
        and bench.recipe.image_size in _ABOUT_224
        and bench.environment.initial_weights.get(cell.model) == "imagenet"
        and len(cell.history) > 0  # a probe has none
    )


def _single(board: Leaderboard, metric: str) -> list[Score]:
    """The figures of systems that are no ensembles, in the order of the leaderboard."""
    found = board.figures(metric)
    return [found[name] for name in board.systems if name in found and not is_ensemble(name)]


def _kept(cell: CellResult) -> int:
    """The place of the epoch whose weights are kept: the first of those that are best on the validation part."""
    return int(cell.history["val_balanced_accuracy"].fillna(-inf).to_numpy().argmax())


def _gap(cell: CellResult) -> float:
    """How many times the train loss the validation loss is, in the epoch that is kept."""
    epoch = cell.history.iloc[_kept(cell)]
    return float(epoch["val_loss"]) / float(epoch["train_loss"]) if epoch["train_loss"] > 0 else inf


def _named(scores: Sequence[Score]) -> str:
    """The systems of these figures, with them."""
    named = [f"{formatting.plain(one.system)} {formatting.format_estimate(one)}" for one in scores]
    return _few(named)


def _counted(cells: Sequence[CellResult], among: Sequence[CellResult]) -> str:
    """`2 of 3 networks (of cnn/none and resnet18/none)`."""
    systems = list(dict.fromkeys(formatting.plain(cell.system) for cell in cells))
    return f"{len(cells)} of {formatting.plural(len(among), 'trained network')} (of {_few(systems)})"


def _few(names: Sequence[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return formatting.listed([*names[:_NAMED], *more])
