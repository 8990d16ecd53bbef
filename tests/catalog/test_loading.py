"""One broken plugin never stops the program: each is set aside with its reason."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
import textwrap

import pytest

from skineval.base.errors import PluginError
from skineval.builtins.imbalance import STRATEGIES
from skineval.catalog.calls import CALLS
from skineval.catalog.catalog import load_catalog
from skineval.catalog.loading import load_plugins

GOOD = """
import skineval

def build(num_classes, *, weights):
    raise NotImplementedError

@skineval.hookimpl
def skineval_register_architectures():
    return [skineval.Architecture("third-party", build, "A network.")]
"""


def with_field(field):
    """A good plugin whose architecture has one more field."""
    return GOOD.replace('"A network.")', f'"A network.", {field})')


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Make an installed package of one module, and return its entry points."""

    def make(name: str, source: str) -> list[importlib.metadata.EntryPoint]:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[skineval]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return list(importlib.metadata.distribution(name).entry_points)

    return make


def test_the_builtins_load_without_a_problem():
    catalog = load_catalog(load_plugins([]))
    assert catalog.problems == ()
    assert {"resnet18", "densenet121", "cnn"} <= set(catalog.architectures.entries)
    assert list(catalog.imbalance.entries) == [one.name for one in STRATEGIES]


def test_a_good_plugin_is_found_with_its_package(plugin):
    catalog = load_catalog(load_plugins(plugin("good", GOOD)))
    assert catalog.problems == ()
    assert catalog.architectures.entries["third-party"].provider.package == "good 1.2"


BROKEN = {
    "import-error": ("import no_such_module_anywhere", "import", "No module named"),
    "exit-at-import": ("import sys; sys.exit(3)", "import", "SystemExit"),
    "syntax-error": ("def", "import", "SyntaxError"),
    "misspelt-hook": (
        "import skineval\n@skineval.hookimpl\ndef skineval_register_architecture(): return []",
        "hooks",
        "did you mean skineval_register_architectures?",
    ),
    "no-marker": ("def skineval_register_architectures(): return []", "hooks", "lacks the decorator"),
    "wrong-signature": (
        "import skineval\n@skineval.hookimpl\ndef skineval_register_architectures(a, b): return []",
        "hooks",
        "called as skineval_register_architectures(), but takes (a, b): missing a required argument: 'a'",
    ),
    "hook-raises": (
        "import skineval\n@skineval.hookimpl\ndef skineval_register_architectures(): 1 / 0",
        "skineval_register_architectures",
        "ZeroDivisionError",
    ),
    "hook-exits": (
        "import skineval, sys\n@skineval.hookimpl\ndef skineval_register_architectures(): sys.exit()",
        "skineval_register_architectures",
        "SystemExit",
    ),
    "wrong-type": (
        "import skineval\n@skineval.hookimpl\ndef skineval_register_architectures(): return ['resnet18']",
        "skineval_register_architectures",
        "str where Architecture is expected",
    ),
    "returns-nothing": (
        "import skineval\n@skineval.hookimpl\ndef skineval_register_architectures(): pass",
        "skineval_register_architectures",
        "NoneType",
    ),
    "name-clash": (
        GOOD.replace("third-party", "resnet18"),
        "skineval_register_architectures",
        "'resnet18' is already provided by builtins",
    ),
    "bad-name": (GOOD.replace("third-party", "[/]"), "skineval_register_architectures", "small letters"),
    "no-mapping": (with_field("parameters=3"), "skineval_register_architectures", "int where a mapping is expected"),
    "no-parameter": (
        with_field("parameters={'k': 5}"),
        "skineval_register_architectures",
        "parameters['k'] is int where skineval.Parameter is expected",
    ),
    "no-default": (
        with_field("parameters={'k': skineval.Parameter(None, 'K.')}"),
        "skineval_register_architectures",
        "has the default None",
    ),
    "no-choice": (
        with_field("parameters={'k': skineval.Parameter(1, 'K.', choices=('1', '2'))}"),
        "skineval_register_architectures",
        "choices that are not of the type",
    ),
    "no-bound": (
        with_field("parameters={'k': skineval.Parameter(1, 'K.', minimum='0')}"),
        "skineval_register_architectures",
        "bounds that are not numbers",
    ),
    "no-argument": (
        with_field("parameters={'a-b': skineval.Parameter(1, 'K.')}"),
        "skineval_register_architectures",
        "not named as an argument",
    ),
    "no-size": (
        with_field("image_size='224'"),
        "skineval_register_architectures",
        "image_size is '224', which is not a whole number",
    ),
    "no-function": (GOOD.replace(", build,", ", None,"), "skineval_register_architectures", "not a function"),
}


def offering(kind, specification, functions):
    """A plugin that offers one specification."""
    return f"""
import skineval

{textwrap.dedent(functions)}

@skineval.hookimpl
def skineval_register_{kind}():
    return [skineval.{specification}]
"""


K = 'parameters={"k": skineval.Parameter(1, "K.")}'
MISCALLED = {
    "build-without-weights": (
        offering("architectures", 'Architecture("a", build, "A.")', "def build(num_classes): ..."),
        "a.build is called as build(num_classes, *, weights), but takes (num_classes): got an unexpected keyword",
    ),
    "build-without-its-parameter": (
        offering("architectures", f'Architecture("a", build, "A.", {K})', "def build(num_classes, *, weights): ..."),
        "a.build is called as build(num_classes, *, weights, k), but takes (num_classes, *, weights): got an",
    ),
    "build-with-a-parameter-of-nobody": (
        offering("architectures", 'Architecture("a", build, "A.")', "def build(num_classes, *, weights, depth): ..."),
        "missing a required argument: 'depth'",
    ),
    "resolve": (
        offering(
            "architectures",
            f'Architecture("a", build, "A.", {K}, resolve=resolve)',
            "def build(num_classes, *, weights, k): ...\ndef resolve(architecture): ...",
        ),
        "a.resolve is called as resolve(architecture, *, k)",
    ),
    "fetch": (
        offering(
            "architectures",
            'Architecture("a", build, "A.", fetch_weights=fetch)',
            "def build(num_classes, *, weights): ...\ndef fetch(name): ...",
        ),
        "a.fetch_weights is called as fetch_weights(), but takes (name)",
    ),
    "loss": (
        offering("imbalance", 'ImbalanceStrategy("s", "S.", loss=loss)', "def loss(logits, targets): ..."),
        "s.loss is called as loss(counts), but takes (logits, targets): missing a required argument: 'targets'",
    ),
    "draw-weights": (
        offering("imbalance", f'ImbalanceStrategy("s", "S.", draw_weights=draw, {K})', "def draw(labels): ..."),
        "s.draw_weights is called as draw_weights(labels, *, k)",
    ),
    "resample": (
        offering("imbalance", 'ImbalanceStrategy("s", "S.", resample=resample)', "def resample(X, y): ..."),
        "s.resample is called as resample(embeddings, labels, *, seed), but takes (X, y)",
    ),
    "attribute": (
        offering("explainers", 'Explainer("e", attribute, "E.")', "def attribute(model, images, targets): ..."),
        "e.attribute is called as attribute(model, images, targets, *, architecture), but takes (model, images",
    ),
    "compute": (
        offering("metrics", 'Metric("m", compute, "M.")', "def compute(targets, probabilities): ..."),
        "m.compute is called as compute(targets, probabilities, weights, classes)",
    ),
    "load": (
        offering("datasets", 'DatasetSource("d", load, "D.")', "def load(): ..."),
        "d.load is called as load(path), but takes (): too many positional arguments",
    ),
    "recognise": (
        offering(
            "datasets",
            'DatasetSource("d", load, "D.", recognise=recognise)',
            "def load(path): ...\ndef recognise(): ...",
        ),
        "d.recognise is called as recognise(path)",
    ),
    "write": (
        offering("reporters", 'Reporter("r", write, "R.")', "def write(bench, folder): ..."),
        "r.write is called as write(bench), but takes (bench, folder)",
    ),
    "observer-of-nothing": (
        "import skineval\n@skineval.hookimpl\ndef skineval_on_epoch_end(): ...",
        "skineval_on_epoch_end is called as skineval_on_epoch_end(event), but takes (): got an unexpected",
    ),
    "observer-of-more": (
        "import skineval\n@skineval.hookimpl\ndef skineval_on_cell_end(event, *, log): ...",
        "but takes (event, *, log): missing a required argument: 'log'",
    ),
    "observer-of-another-name": (
        "import skineval\n@skineval.hookimpl\ndef skineval_on_cell_start(cell): ...",
        "called as skineval_on_cell_start(event), but takes (cell): missing a required argument: 'cell'",
    ),
}


@pytest.mark.parametrize("name", MISCALLED)
def test_a_function_that_cannot_be_called_as_it_will_be_is_told_before_anything_is_trained(plugin, name):
    source, cause = MISCALLED[name]
    catalog = load_catalog(load_plugins(plugin(name, source)))
    (problem,) = catalog.problems
    assert problem.provider.package == f"{name} 1.2"
    assert cause in problem.cause
    assert "\n" not in str(problem)


def test_functions_may_take_more_than_they_are_called_with(plugin):
    source = offering(
        "architectures",
        f'Architecture("a", functools.partial(build, depth=3), "A.", {K}), skineval.Architecture("b", Network, "B.")',
        """
        import functools
        def build(classes, depth, *, weights=None, **others): ...
        class Network:
            def __init__(self, num_classes, weights): ...
        """,
    )
    catalog = load_catalog(load_plugins(plugin("free", source)))
    assert catalog.problems == ()
    assert {"a", "b"} <= set(catalog.architectures.entries)


def test_every_function_of_a_specification_has_its_call():
    """A new field for a function needs one: else it would be checked by nobody."""
    for of, known in CALLS.items():
        functions = {field.name for field in dataclasses.fields(of) if "Callable" in str(field.type)}
        aliases = {
            "Build",
            "ReadEmbeddings",
            "LossFactory",
            "DrawWeights",
            "Resample",
            "Adjust",
            "Draw",
            "AugmentFactory",
            "MixFactory",
            "Refit",
            "Tells",
            "Attribute",
            "Resolution",
            "Compute",
            "Scores",
            "ShareOf",
            "LoadTable",
        }
        functions |= {field.name for field in dataclasses.fields(of) if aliases & set(str(field.type).split(" | "))}
        assert functions == set(known), of


SENSELESS = {
    "ImbalanceStrategy('s', 'S.', cosine_scale=float('nan'))": "s.cosine_scale is nan, which is no number above 0",
    "ImbalanceStrategy('s', 'S.', cosine_scale=True)": "s.cosine_scale is True",
    "ImbalanceStrategy('s', 'S.', draw=draw, draw_weights=weigh)": "s has draw and draw_weights, and one of them",
    "ImbalanceStrategy('s', 'S.', adjust=add, partner_weights=weigh)": "s has partner_weights, and no mix",
    "ImbalanceStrategy('s', 'S.')": "s does nothing",
    "ImbalanceStrategy('s', 'S.', chooses_offsets=True, estimates_prior=True)": "s has chooses_offsets and estimates_",
    "ImbalanceStrategy('s', 'S.', parameters={'p': skineval.Parameter(float('nan'), 'P.')})": "the default nan, which",
    "ImbalanceStrategy('s', 'S.', parameters={'p': skineval.Parameter(3, 'P.', maximum=2)})": "the default 3, which",
}


@pytest.mark.parametrize("written", SENSELESS)
def test_a_strategy_of_which_something_would_be_ignored_is_set_aside(plugin, written):
    source = offering(
        "imbalance", written, "def draw(labels, *, seed): ...\ndef weigh(labels): ...\ndef add(counts): ..."
    )
    (problem,) = load_catalog(load_plugins(plugin("senseless", source))).problems
    assert SENSELESS[written] in problem.cause


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_set_aside_and_the_rest_works(plugin, name):
    source, stage, cause = BROKEN[name]
    catalog = load_catalog(load_plugins(plugin(name, source)))
    (problem,) = catalog.problems
    assert problem.provider.package == f"{name} 1.2"
    assert problem.stage == stage
    assert cause in problem.cause
    assert "resnet18" in catalog.architectures.entries
    assert catalog.architectures.entries["resnet18"].provider.name == "builtins"


@pytest.mark.parametrize("name", BROKEN)
def test_strict_plugins_raise_instead(plugin, name, monkeypatch):
    monkeypatch.setenv("SKINEVAL_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=name):
        load_catalog(load_plugins(plugin(name, BROKEN[name][0])))


def test_what_a_plugin_prints_goes_to_standard_error(plugin, capsys):
    load_catalog(load_plugins(plugin("chatty", "print('hello')\n" + GOOD)))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_an_observer_that_raises_is_reported_once_and_muted(plugin):
    source = "import skineval\n@skineval.hookimpl\ndef skineval_on_epoch_end(event): 1 / 0"
    plugins = load_plugins(plugin("observer", source))
    assert [problem.stage for problem in plugins.notify("skineval_on_epoch_end", object())] == ["skineval_on_epoch_end"]
    assert plugins.notify("skineval_on_epoch_end", object()) == []


def test_an_observer_is_told():
    catalog = load_catalog(load_plugins([]))
    assert catalog.plugins.notify("skineval_on_cell_end", object()) == []
