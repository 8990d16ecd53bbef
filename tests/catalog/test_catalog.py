"""What is selected by name: globs, parameters with their types, and why something cannot be selected."""

from __future__ import annotations

import pytest

from skineval.base.errors import UsageError
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins
from skineval.catalog.parameters import Parameter
from skineval.catalog.shelf import select
from skineval.catalog.specs import Architecture
from skineval.catalog.strategy import ImbalanceStrategy


class TestSelection:
    shelf = load_catalog(load_plugins([])).architectures

    def test_globs_expand_in_order(self):
        assert [str(s) for s in self.shelf.select(["resnet*", "cnn", "resnet18"])] == [
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "cnn",
        ]

    def test_parameters_are_typed_and_only_changed_ones_are_spelt(self):
        (selection,) = self.shelf.select(["cnn:width=16:dropout=0.3"])
        assert selection.parameters == {"width": 16, "dropout": 0.3}
        assert str(selection) == "cnn:width=16"

    def test_the_same_selection_spelt_twice_is_one(self):
        assert len(self.shelf.select(["cnn:width=32", "cnn", "cnn : width = 32"])) == 1
        assert len(self.shelf.select(["cnn:dropout=0", "cnn:dropout=-0.0"])) == 1

    def test_a_name_with_parameters_is_told_its_name(self):
        with pytest.raises(UsageError) as caught:
            self.shelf["cnn:width=16"]
        assert caught.value.hint == "Without its parameters that is cnn."

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("resnet81", "Did you mean resnet18"),
            ("vgg*", "matches"),
            ("cnn:wdth=3", "no parameter 'wdth'"),
            ("cnn:width", "cnn:width has no value"),
            ("cnn:width=wide", "not a whole number"),
            ("cnn:width=2", "at least 4"),
            ("cnn:dropout=nan", "at least 0"),
            ("cnn:width=8:width=16", "cnn:width is given twice"),
            ("cnn:width=8:", "cnn has a colon with nothing behind it"),
            ("resnet18:width=3", "There are: head"),
        ],
    )
    def test_what_cannot_be_selected_says_why(self, text, message):
        with pytest.raises(UsageError) as caught:
            self.shelf.select([text])
        assert message in str(caught.value)


def test_flags_and_choices_are_parsed():
    flagged = ImbalanceStrategy(
        "s", "S.", parameters={"on": Parameter(True, "On."), "kind": Parameter("a", "Kind.", choices=("a", "b"))}
    )
    assert select(flagged, ["on=false", "kind=b"]).text == "s:on=false:kind=b"
    with pytest.raises(UsageError, match="kind is 'c'"):
        select(flagged, ["kind=c"])
    with pytest.raises(UsageError, match="not true or false"):
        select(flagged, ["on=perhaps"])


@pytest.mark.parametrize("text", ["inf", "-inf", "nan"])
def test_a_number_without_bounds_is_finite_all_the_same(text):
    with pytest.raises(UsageError, match=f"^s:p is {text}"):
        select(ImbalanceStrategy("s", "S.", parameters={"p": Parameter(1.0, "P.")}), [f"p={text}"])


def test_specifications_are_frozen():
    with pytest.raises(AttributeError):
        Architecture("a", lambda n, *, weights: None, "A.").name = "b"  # type: ignore[misc]
