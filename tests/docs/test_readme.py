"""The READMEs and the help tell the truth: their commands run, their code runs, their plugin is a plugin."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import skineval
from skineval.catalog.calls import CALLS
from skineval.catalog.hooks import __dict__ as hookspecs
from skineval.catalog.shelf import select
from skineval.cli import app
from skineval.data.layouts import recognise
from tests.conftest import run_here
from tests.data.fetch import fault_server
from tests.data.folders import lesion_folder
from tests.data.layouts.relayout import isic2018

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What makes a search or a bench one of seconds; added to the commands of the documentation.
SMALL_DATA = "synthetic:images=150"
SMALL = (f"--data={SMALL_DATA}", "--image-size=32", "--epochs=1", "--weights=none")
SHORT = (*SMALL, "--replicates=1000")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str = README) -> list[str]:
    """Every command of the console blocks that runs skineval, however it is started, without what stands before it."""
    lines = [line for block in blocks("console", text) for line in block.replace("\\\n", "").splitlines()]
    return [found[0] for line in lines if (found := re.search(r"(?<=[ $])skineval .*", line))]


def examples() -> list[str]:
    """Every example that a command's help shows."""
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    epilogs = [group.info.epilog for group in groups]
    epilogs += [command.epilog for group in groups for command in group.registered_commands]
    return sorted({epilog.removeprefix("Example: ") for epilog in epilogs if isinstance(epilog, str)})


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a finished bench, a search, and data under the names that the documentation uses."""
    folder = tmp_path_factory.mktemp("workplace")
    done = run_here("bench", "--models=cnn:width=4", *SHORT, "--out=runs/demo", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run_here("tune", "--models=cnn:width=4", *SMALL, "--trials=1", "--out=runs/tuned", cwd=folder)
    assert done.returncode == 0, done.stderr
    for name in ("DIR", "HAM10000"):
        lesion_folder(folder / name)
    (folder / "unusable.csv").write_text("image_id,reason\n")
    skineval.embed("cnn:width=4", SMALL_DATA, weights="none", image_size=32, out=folder / "squeezenet.npz")
    ids = [image.stem for image in sorted((folder / "HAM10000").rglob("*.jpg"))]
    for name, first in (("theirs", "0.4" + ",0.1" * 6), ("ours", "0.1," * 5 + "0.4,0.1")):
        scores = "".join(f"img/{id_}.jpg,{first}\n" for id_ in ids)
        (folder / f"{name}.csv").write_text(f"filename,{','.join(f'prob_{code}' for code in range(7))}\n{scores}")
    own = lesion_folder(folder / "OWN")
    known = pd.read_csv(own / "HAM10000_metadata.csv").rename(
        columns={"image_id": "file", "dx": "diagnosis", "lesion_id": "case"}
    )
    known.to_csv(own / "my own.csv", index=False)
    (own / "HAM10000_metadata.csv").unlink()
    others = recognise.load(lesion_folder(folder / "others", prefix="9"))
    isic2018(others, folder / "ISIC2018", ["test"] * len(others))
    return folder


@pytest.fixture(scope="module")
def mirror():
    """Dataverse on this machine, holding less."""
    with fault_server.running() as server:
        parts = {f"HAM10000_images_part_{number}.zip": fault_server.archive(1000, seed=number) for number in (1, 2)}
        rows = "".join(f"HAM_{row:07},ISIC_{row:07},nv,histo,50.0,male,back,x\n" for row in range(10_015))
        header = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
        fault_server.dataverse(server, parts, {"HAM10000_metadata.tab": f"{header}\n{rows}".encode()})
        yield server.address


@pytest.mark.parametrize("line", sorted({*commands(), *examples()}))
def test_documented_commands_run(line, workplace, mirror, tmp_path, monkeypatch):
    arguments = shlex.split(line)[1:]
    listed = "\n".join(map(str, (workplace / "DIR").rglob("*.jpg")))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed.encode())))
    if "two-layers,cnn" in arguments:
        pytest.skip("run with its plugin by test_the_plugin_of_the_readme_is_one")
    if arguments[0] == "bench":
        short = SHORT[1:] if "--columns" in arguments else SHORT
        arguments += [*short, "--dry-run", f"--out={tmp_path / 'out'}"]
    if arguments[0] == "embed":
        arguments += [f"--out={tmp_path / 'out.npz'}"]
    if arguments[0] == "tune":
        arguments += [*SMALL, "--trials=2", f"--out={tmp_path / 'out'}"]
    if arguments[:2] == ["data", "fetch"]:
        arguments += ["--base-url", mirror, "--to", str(tmp_path)]
    if arguments[0] == "demo":  # which would not end
        arguments += ["--port=0"]
        monkeypatch.setattr("skineval.demo.serving.serve", lambda app, on: None)
    (cell,) = (workplace / "runs/demo/cells").iterdir()
    done = run_here(*(argument.replace("CELL", cell.name) for argument in arguments), cwd=workplace)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not os.environ.get("SKINEVAL_TEST_DATA"), reason="SKINEVAL_TEST_DATA does not name a folder")
def test_the_command_with_the_real_thing_runs_on_it(tmp_path):
    """As printed, downloads included, of which it needs none; smaller in images, epochs and replicates alone."""
    (line,) = [line for line in commands() if "--data HAM10000 --models resnet18,cnn" in line]
    data = str(Path(os.environ["SKINEVAL_TEST_DATA"]).resolve())
    arguments = [data if argument == "HAM10000" else argument for argument in shlex.split(line)[1:]]
    small = ("--limit=300", "--epochs=1", "--image-size=32", "--replicates=1000")
    done = run_here(*arguments, *small, "--format=csv", "--out=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    systems = {f"{model}/{remedy}" for model in ("resnet18", "cnn") for remedy in ("none", "class-weights", "smote")}
    assert systems <= {row.split(",")[0] for row in done.stdout.splitlines()}


def test_every_command_of_the_readme_exists_and_every_command_is_in_it():
    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    documented = set(re.findall(r"^\| `skineval (\w+)", README, flags=re.MULTILINE))
    assert documented == names


def test_every_hook_is_documented():
    hooks = {name for name in hookspecs if name.startswith("skineval_")}
    assert set(re.findall(r"`(skineval_(?:register|on)_\w+)`", README)) == hooks


def test_the_signature_of_every_function_that_a_plugin_hands_in_is_documented():
    rows = " ".join(line for line in README.splitlines() if line.startswith("| `skineval_"))
    for of, known in CALLS.items():
        assert f"`{of.__name__}(" in rows
        for name, call in known.items():
            assert f"`{call.written(name)}`" in rows


def test_the_strategy_of_the_readme_is_one_and_takes_its_parameter():
    code = next(block for block in blocks("python") if "power_draws" in block)
    names: dict[str, Any] = {}
    exec("import skineval\n" + code, names)
    (strategy,) = names["skineval_register_imbalance"]()
    selection = select(strategy, ["power=0.3"])
    assert str(selection) == "power-draws:power=0.3"
    drawn = strategy.draw_weights(np.array([0, 0, 0, 1]), **selection.parameters)
    assert drawn[0] == pytest.approx(3**-0.3)


def test_the_python_of_the_readme_runs(tmp_path):
    (code,) = blocks("python")[:1]
    assert "skineval.bench(" in code
    # A script without a main guard: workers must not run it again.
    (tmp_path / "script.py").write_text("print('once')\n" + code)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("once") == 1
    assert "balanced_accuracy" in done.stdout
    assert "'akiec'" in done.stdout


def test_the_plugin_of_the_readme_is_one(tmp_path):
    """Built from the text alone, as a stranger would."""
    module = next(block for block in blocks("python") if "skineval_two_layers.py" in block)
    project = tomllib.loads(next(block for block in blocks("toml") if "skineval-two-layers" in block))
    assert len([line for line in module.splitlines() if line.strip()]) <= 15
    site = tmp_path / "site"
    site.mkdir()
    (site / "skineval_two_layers.py").write_text(module)
    info = site / "skineval_two_layers-0.1.dist-info"
    info.mkdir()
    name, version = project["project"]["name"], project["project"]["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    entries = "\n".join(f"{key} = {value}" for key, value in project["project"]["entry-points"]["skineval"].items())
    (info / "entry_points.txt").write_text(f"[skineval]\n{entries}\n")
    env = {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}

    listed = run_here("list", "models", "--format=csv", cwd=tmp_path, env=env)
    assert any(row.startswith("two-layers,") and "skineval-two-layers 0.1" in row for row in listed.stdout.splitlines())
    done = run_here("bench", "--models=two-layers,cnn:width=4", *SHORT, "--out=out", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "two-layers" in (tmp_path / "out/report.md").read_text()
    assert "two-layers" in (tmp_path / "out/report.html").read_text()


def test_links_to_files_lead_somewhere():
    for readme in [ROOT / "README.md", *ROOT.glob("plugins/*/README.md"), *ROOT.glob("benchmarks/README.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", readme.read_text(encoding="utf-8")):
            assert (readme.parent / target).exists(), f"{readme.name} -> {target}"


def test_the_tree_of_the_readme_is_the_tree():
    tree = README.partition("## How it is built")[2].partition("## Development")[0]
    for folder in re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE):
        assert (ROOT / "skineval" / folder).is_dir(), folder
    folders = {path.name for path in (ROOT / "skineval").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"recipes"} <= set(re.findall(r"(\w+)/", tree))


def test_the_spine_is_short_enough_to_be_read():
    spine = README.partition("The spine:")[2].partition("## Development")[0]
    files = re.findall(r"^([\w/]+\.py) ", spine, flags=re.MULTILINE)
    lengths = [len((ROOT / "skineval" / file).read_text(encoding="utf-8").splitlines()) for file in files]
    assert 20 <= len(files) <= 25
    assert sum(lengths) < 5000
