"""Reading predictions of any origin: what is kept, what is refused, and how the refusal reads."""

import dataclasses
import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skineval.base.errors import DataError
from skineval.data.tables import GivenTable
from skineval.measure.predictions import read_predictions
from skineval.values.predictions import Predictions, sum_to_one, sum_tolerance, summed
from tests.measure.samples import classifier, softmax


def table(text):
    return pd.read_csv(io.StringIO("\n".join(line.strip() for line in text.strip().splitlines())))


def small():
    return table("""
        image_id,lesion_id,fold,seed,part,target,mel,nv
        a,L1,0,0,test,mel,0.9,0.1
        b,L1,0,0,test,nv,0.25,0.75
        a,L1,0,0,validation,mel,0.8,0.2
    """)


def from_frame(frame, source, **keys):
    (found,) = read_predictions(GivenTable(frame, source), **keys)
    return found


def same(one: Predictions, other: Predictions):
    assert (one.classes, one.fold, one.seed) == (other.classes, other.fold, other.seed)
    for name in ("image_ids", "lesion_ids", "groups", "parts", "targets", "probabilities"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_reads_what_it_writes_bit_for_bit(tmp_path):
    cell = classifier(fold=2, train_seed=5)
    cell.to_frame().to_csv(tmp_path / "predictions.csv", index=False)
    same(from_frame(pd.read_csv(tmp_path / "predictions.csv"), "predictions.csv"), cell)


def test_columns_are_those_of_the_contract():
    frame = small()
    found = from_frame(frame, "p.csv")
    assert found.classes == ("mel", "nv")
    assert found.targets.tolist() == [0, 1, 0]
    pd.testing.assert_frame_equal(found.to_frame(), frame)
    assert found.normalised


def test_selects_a_part():
    found = from_frame(small(), "p.csv")
    assert found.select("validation").image_ids.tolist() == ["a"]
    assert len(found.select("train")) == 0


def test_class_order_can_be_set_and_further_columns_left_out():
    found = from_frame(small().assign(note="x"), "p.csv", classes=("nv", "mel"))
    assert found.targets.tolist() == [1, 0, 1]
    assert found.probabilities[0].tolist() == [0.1, 0.9]


def test_only_images_targets_and_classes_are_needed():
    found = from_frame(small()[["mel", "image_id", "target", "nv"]].head(2), "p.csv")
    assert found.lesion_ids.tolist() == found.groups.tolist() == ["a", "b"]
    assert found.parts.tolist() == ["test", "test"]
    assert (found.fold, found.seed) == (0, 0)


def test_numbers_may_be_ids():
    frame = small().assign(image_id=[1, 2, 3], lesion_id=[7, 7, 8])
    assert from_frame(frame, "p.csv").image_ids.tolist() == ["1", "2", "3"]


def test_joined_lesions_share_a_group():
    found = from_frame(small().assign(lesion_id=["L1", "L2", "L1"]), "p.csv", groups={"L2": "L0"})
    assert found.groups.tolist() == ["L1", "L0", "L1"]
    assert found.lesion_ids.tolist() == ["L1", "L2", "L1"]


@pytest.mark.parametrize(("column", "other"), [("target", "nv"), ("lesion_id", "L9")])
def test_an_image_that_is_two_things_is_refused(column, other):
    """Over parts, folds and seeds: it would count as two lesions, or be right and wrong at once."""
    frame = small()
    frame.loc[frame.index[-1], column] = other
    with pytest.raises(DataError, match="row 4: a has another lesion or target than in row 2"):
        from_frame(frame, "p.csv")


def test_folds_and_seeds_come_apart():
    frame = pd.concat([classifier(10, fold=f, train_seed=s).to_frame() for f in (1, 0) for s in (1, 0)])
    found = read_predictions(GivenTable(frame.sample(frac=1, random_state=0), "p.csv"))
    assert [(cell.fold, cell.seed) for cell in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert sum(map(len, found)) == len(frame)


def test_copies_are_read_where_they_are_meant_and_refused_where_not():
    frame = small().iloc[[0, 1, 0, 2]]
    with pytest.raises(DataError, match=r"row 4: a is there a second time in its part, after row 2") as caught:
        from_frame(frame, "p.csv")
    assert "--protocol oversample-first" in caught.value.hint
    found = from_frame(frame, "p.csv", copies=True)
    assert found.image_ids.tolist() == ["a", "b", "a", "a"]
    same(from_frame(found.to_frame(), "p.csv", copies=True), found)
    for column, value in (("target", "nv"), ("lesion_id", "L9")):
        other = frame.assign(lesion_id="L1").reset_index(drop=True)
        other.loc[2, column] = value
        with pytest.raises(DataError, match=r"p.csv, row 4: a has another lesion or target than in row 2"):
            from_frame(other, "p.csv", copies=True)


def test_an_empty_file_holds_no_cell():
    assert read_predictions(GivenTable(small().head(0), "p.csv")) == []


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("target", 1, "xyz", r"p.csv, row 3: 'xyz' is not a class\nThe classes are mel, nv."),
        ("target", 2, None, "p.csv, row 4: target is empty"),
        ("image_id", 0, None, "p.csv, row 2: image_id is empty"),
        ("mel", 1, None, "p.csv, row 3: mel is empty, not a number from 0 to 1"),
        ("nv", 1, -0.1, "p.csv, row 3: nv is -0.1, not a number"),
        ("nv", 1, "high", "p.csv, row 3: nv is high, not a number"),
        ("nv", 1, 3.5, "p.csv, row 3: nv is 3.5, not a number"),
        ("nv", 1, 0.7, r"p.csv, row 3: the probabilities of b sum to 0.95, not 1"),
        ("fold", 2, 0.5, "p.csv, row 4: fold is 0.5"),
        ("part", 2, "test", "p.csv, row 4: a is there a second time in its part, after row 2"),
    ],
)
def test_refusals_name_file_row_and_value(column, row, value, message):
    frame = small().astype(object)
    frame.loc[row, column] = value
    with pytest.raises(DataError, match=message) as caught:
        from_frame(frame, "p.csv")
    assert caught.value.hint


def test_refusals_count_further_rows():
    with pytest.raises(DataError, match=r"row 2: .* \(2 more rows like it\)"):
        from_frame(small().assign(mel=0.5), "p.csv")


@pytest.mark.parametrize("column", ["image_id", "target"])
def test_missing_columns_are_named(column):
    with pytest.raises(DataError, match=f"p.csv lacks the column {column}"):
        from_frame(small().drop(columns=column), "p.csv")


def test_one_class_is_none():
    with pytest.raises(DataError, match=r"1 class columns \(mel\)"):
        from_frame(small().drop(columns="nv"), "p.csv")


def test_rounded_probabilities_are_kept_as_written():
    frame = small().head(1).assign(mel=0.9004)
    assert from_frame(frame, "p.csv").probabilities[0].tolist() == [0.9004, 0.1]


@given(st.integers(2, 9), st.sampled_from([2, 3, 4]), st.integers(0, 2**32 - 1))
def test_whatever_rounding_to_two_decimals_or_more_does_to_sums_is_accepted(n_classes, decimals, seed):
    exact = softmax(2 * np.random.default_rng(seed).normal(size=(50, n_classes)))
    rounded = np.round(exact, decimals)
    assert np.abs(rounded.sum(axis=1) - 1).max() <= sum_tolerance(rounded) + 1e-12
    assert sum_to_one(rounded)
    assert sum_to_one(rounded.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("far", [-0.04, -0.005, 0.005, 0.04])
def test_what_rounding_does_not_explain_is_refused(far):
    written_in_full = np.array([[0.123456, 0.5 + far, 0.376544], [0.2, 0.3, 0.5]])
    assert not sum_to_one(written_in_full)
    two_decimals = np.array([[0.12, 0.5 + far, 0.38], [0.2, 0.3, 0.5]])
    assert sum_to_one(two_decimals) == (abs(far) < 0.015 and round(far, 2) == far)
    frame = pd.DataFrame(two_decimals, columns=["bcc", "mel", "nv"]).assign(image_id=["a", "b"], target="nv")
    if abs(far) > 0.015:
        with pytest.raises(DataError, match=r"row 2: the probabilities of a sum to .*, not 1 within 0.015"):
            from_frame(frame, "p.csv")


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda p: np.log(p), "their softmax"),
        (lambda p: 8 * p - 2, "their softmax"),
        (lambda p: 100 * p, "percentages: divide them by 100"),
        (lambda p: np.round(100 * p), "percentages: divide them by 100"),
        (lambda p: np.floor(255 * p), "add up to about 252: divide each by the sum of its image"),
        (lambda p: np.where(p == p.max(), np.nan, p), "a number from 0 to 1 for every class"),
    ],
)
def test_what_is_no_probability_is_called_what_it_is(change, advice):
    cell = classifier(20)
    changed = dataclasses.replace(cell, probabilities=change(cell.probabilities))
    with pytest.raises(DataError, match="not a number from 0 to 1") as caught:
        from_frame(changed.to_frame(), "p.csv")
    assert advice in caught.value.hint


@given(
    st.integers(1, 9).flatmap(
        lambda places: st.tuples(st.just(10**places), st.lists(st.integers(0, 10**places), min_size=2, max_size=7))
    )
)
def test_a_sum_of_decimals_is_the_number_that_is_written_for_it(found):
    whole, parts = found
    assert summed(np.array([[part / whole for part in parts]]))[0] == sum(parts) / whole


@given(arrays(np.float64, (3, 5), elements=st.floats(0, 1)), st.permutations(range(5)))
def test_a_sum_is_that_of_floats_in_any_order(columns, order):
    found = summed(columns)
    assert np.array_equal(summed(columns[:, order]), found)
    assert found == pytest.approx([math.fsum(row) for row in columns], rel=1e-13, abs=1e-300)


def test_columns_of_different_length_are_a_mistake():
    cell = classifier(10)
    with pytest.raises(ValueError, match="images, columns of"):
        Predictions(
            cell.classes, cell.image_ids[1:], cell.lesion_ids, cell.groups, cell.parts, cell.targets, cell.probabilities
        )
