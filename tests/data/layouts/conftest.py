"""The images that are laid out as others would."""

from __future__ import annotations

import os

import pytest

from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from tests.data.folders import lesion_folder


@pytest.fixture(scope="session")
def few_of_each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    """Of each diagnosis four lesions with one image and four with two: with real pictures where they are at hand."""
    folder = lesion_folder(tmp_path_factory.mktemp("ham"))
    made = recognise.load(folder)
    if not os.environ.get("SKINEVAL_TEST_DATA"):
        return made
    real: LesionTable = request.getfixturevalue("real_table")
    sizes = real.frame.groupby("group")["image_id"].transform("size")
    lesions = real.frame[sizes <= 2].assign(size=sizes).drop_duplicates("group").groupby(["dx", "size"]).head(4)
    shown = {key: iter(groups) for key, groups in lesions.groupby(["dx", "size"])["group"]}
    for _, rows in made.frame.groupby("group"):
        pictures = real.frame.index[real.frame["group"] == next(shown[rows["dx"].iloc[0], len(rows)])]
        for row, picture in zip(rows.index, pictures, strict=True):
            made.images.files[row].path.write_bytes(real.images.files[picture].read())  # type: ignore[attr-defined]
    return recognise.load(folder)
