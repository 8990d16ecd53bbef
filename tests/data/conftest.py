from __future__ import annotations

import os
from pathlib import Path

import pytest

from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable


@pytest.fixture(scope="session")
def real_folder() -> Path:
    folder = os.environ.get("SKINEVAL_TEST_DATA")
    if not folder:
        pytest.skip("SKINEVAL_TEST_DATA does not name a folder with HAM10000")
    return Path(folder)


@pytest.fixture(scope="session")
def real_table(real_folder: Path) -> LesionTable:
    return recognise.load(real_folder)
