"""Head and tail: by how many train images a class has, beside the largest and the smallest."""

import numpy as np
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from skineval.measure.rarity import HEAD_RECALL, TAIL_RECALL, sides
from skineval.values.task import DIAGNOSES
from tests.measure.samples import HAM10000_COUNTS


def test_the_tail_of_ham10000_are_its_four_rarest_classes():
    found = sides(DIAGNOSES, HAM10000_COUNTS)
    assert found == {HEAD_RECALL: ("bkl", "mel", "nv"), TAIL_RECALL: ("akiec", "bcc", "df", "vasc")}


def test_of_two_classes_the_rarer_one_is_the_tail():
    assert sides(("benign", "malignant"), (8061, 1954)) == {HEAD_RECALL: ("benign",), TAIL_RECALL: ("malignant",)}


def test_equally_large_classes_have_no_sides():
    assert sides(("a", "b", "c"), (40, 40, 40)) == {}
    assert sides(("a", "b", "c"), (40, 40, 0)) == {}
    assert sides((), ()) == {}


def test_a_class_without_train_images_is_rare_and_moves_no_other():
    assert sides(("a", "b", "c"), (100, 10, 0))[TAIL_RECALL] == ("b", "c")


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=12))
def test_the_border_is_the_geometric_mean_of_the_largest_and_the_smallest(counts):
    border = scipy.stats.gmean([min(counts), max(counts)])
    found = sides([str(place) for place in range(len(counts))], counts)
    for name in found.get(HEAD_RECALL, ()):
        assert counts[int(name)] >= border * (1 - 1e-9)
    for name in found.get(TAIL_RECALL, ()):
        assert counts[int(name)] < border * (1 + 1e-9)
    assert bool(found) == (len(np.unique(counts)) > 1)
    assert sum(map(len, found.values())) in (0, len(counts))
