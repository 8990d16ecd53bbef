"""The CSV files of a bench."""

import pandas as pd
import pytest

from skineval.base.errors import DataError
from skineval.grid.tables import read_cell_predictions, write_frame
from tests.measure.samples import classifier


def test_predictions_of_a_cell_are_those_of_one_fold_and_seed(tmp_path):
    file, cell = tmp_path / "predictions.csv", classifier(10)
    other = classifier(10, fold=1).to_frame()
    for frame, n in ((other.head(0), 0), (pd.concat([cell.to_frame(), other]), 2)):
        write_frame(file, frame)
        with pytest.raises(DataError, match=rf"predictions.csv holds predictions of {n} folds and seeds, not of one"):
            read_cell_predictions(file, cell.classes)
    write_frame(file, cell.to_frame())
    assert (read_cell_predictions(file, cell.classes).probabilities == cell.probabilities).all()
