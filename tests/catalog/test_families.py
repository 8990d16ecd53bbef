"""Families of architectures: looked up by name when one is asked for, and in nothing else unlike the others."""

from __future__ import annotations

import pytest

from skineval.base.errors import PluginError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.catalog.hooks import hookimpl
from skineval.catalog.loading import Provider, load_plugins
from skineval.catalog.specs import Architecture, ArchitectureFamily

ZOO = ("net10", "net14", "wide")


def build(num_classes, *, weights):
    raise NotImplementedError


def find(rest):
    if rest == "broken":
        raise RuntimeError("out of order")
    if rest == "other":
        return Architecture("zoo/wide", build, "A network of another name.")
    return Architecture(f"zoo/{rest}", build, "A network.") if rest in ZOO else None


class Plugin:
    """Offers one family, and counts how often it is asked."""

    def __init__(self):
        self.asked = []

    @hookimpl
    def skineval_register_families(self):
        def counted(rest):
            self.asked.append(rest)
            return find(rest)

        return [ArchitectureFamily("zoo", counted, lambda: ZOO, "A zoo.")]


@pytest.fixture
def plugin():
    return Plugin()


@pytest.fixture
def models(plugin):
    plugins = load_plugins([])
    plugins.manager.register(plugin, name="zoo")
    catalog = load_catalog(type(plugins)(plugins.manager, {**plugins.providers, "zoo": Provider("zoo", "zoo 1.0")}))
    assert catalog.problems == ()
    return catalog.architectures


def test_a_family_is_asked_once_for_each_name_and_not_before(plugin, models):
    assert plugin.asked == []
    assert [str(one) for one in models.select(["zoo/net10", "cnn"])] == ["zoo/net10", "cnn"]
    assert models["zoo/net10"].name == "zoo/net10"
    assert plugin.asked == ["net10"]


def test_globs_and_hybrids_go_over_its_names(models):
    assert [one.name for one in models.select(["zoo/net*"])] == ["zoo/net10", "zoo/net14"]
    assert models["cnn+zoo/wide"].parts[1].name == "zoo/wide"
    assert [one.package for one in models.providers("zoo/wide")] == ["zoo 1.0"]
    assert not any("/" in one.name for one in models.select(["*"]))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("zoo/net15", "Did you mean zoo/net1"),
        ("zoo/xyz*", "No model matches 'zoo/xyz\\*'"),
        ("timm/resnet18", "pip install skineval-timm"),
        ("nowhere/net", "provides names that begin with nowhere/"),
    ],
)
def test_a_name_that_there_is_not(models, name, told):
    with pytest.raises(UsageError) as caught:
        models.select([name])
    caught.match(told)


@pytest.mark.parametrize(("name", "told"), [("zoo/broken", "RuntimeError: out of order"), ("zoo/other", "'zoo/wide'")])
def test_a_family_that_breaks_its_contract(models, name, told):
    with pytest.raises(PluginError, match=told):
        models.select([name])


def test_sizes_next_to_one_that_is_refused():
    patches = Architecture("patches", build, "Patches of 14.", min_image_size=14, image_size_step=14)
    assert patches.nearest_sizes(220) == (210, 224)
    assert patches.nearest_sizes(3) == (14,)
    fixed = Architecture("fixed", build, "One size.", min_image_size=224, max_image_size=224)
    assert fixed.refuses(256) == "fixed needs exactly 224 pixels"
    assert (fixed.nearest_sizes(200), fixed.nearest_sizes(256), fixed.refuses(224)) == ((224,), (224,), "")
