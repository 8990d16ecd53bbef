from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from skineval.builtins.datasets import SOURCES
from skineval.errors import DataError, UsageError
from tests.data.folders import ham_folder

SOURCE = {source.name: source for source in SOURCES}


def test_ham10000_reads_folders(tmp_path: Path) -> None:
    source = SOURCE["ham10000"]
    assert source.recognise is not None
    assert not source.recognise(tmp_path)
    with pytest.raises(DataError):
        source.load(tmp_path)
    with pytest.raises(UsageError, match="folder"):
        source.load(None)
    ham_folder(tmp_path)
    assert source.recognise(tmp_path)
    assert len(source.load(tmp_path)) == 4


def test_synthetic_takes_its_parameters() -> None:
    source = SOURCE["synthetic"]
    assert source.recognise is None
    table = source.load(None, images=70, seed=3)
    assert len(table) == 70
    assert table.synthetic
    assert {name: parameter.default for name, parameter in source.parameters.items()} == {"images": 2000, "seed": 0}


def test_listing_data_sets_imports_nothing_heavy() -> None:
    # Importing the module imports its package, which lists every built-in.
    code = "import sys, skineval.builtins.datasets; print({'numpy', 'pandas', 'PIL', 'torch'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
