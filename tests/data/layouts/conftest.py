"""The images that are laid out as others would."""

from __future__ import annotations

import os

import pytest

from skineval.data.layouts import recognise
from skineval.values.lesion_table import LesionTable
from tests.data.folders import lesion_folder, write_files


@pytest.fixture(scope="session")
def few_of_each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    """Of each diagnosis four lesions with one image and four with two: real ones where they are at hand."""
    folder = tmp_path_factory.mktemp("ham")
    if not os.environ.get("SKINEVAL_TEST_DATA"):
        return recognise.load(lesion_folder(folder))
    real: LesionTable = request.getfixturevalue("real_table")
    frame = real.frame.assign(size=real.frame.groupby("group")["image_id"].transform("size"))
    lesions = frame[frame["size"] <= 2].drop_duplicates("group").groupby(["dx", "size"]).head(4)["group"]
    chosen = frame[frame["group"].isin(lesions)].drop(columns=["group", "size"])
    files = {f"{chosen['image_id'][row]}.jpg": real.images.files[row].read() for row in chosen.index}  # type: ignore
    return recognise.load(write_files(folder, {**files, "HAM10000_metadata.csv": chosen.to_csv(index=False).encode()}))
