"""Probabilities of a trained model for images of every kind that users have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from skineval.base.errors import DataError, UsageError
from skineval.train.checkpoint import Progress
from skineval.train.classifier import Classifier, InitialWeights, model_card
from tests.train.toys import SPEC, TOY

ORIENTATION = 0x0112  #: the EXIF tag


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    card = model_card(SPEC, TOY, InitialWeights("none", (), ""), Progress(), ())
    return Classifier(TOY.build(3, weights=None).eval(), TOY, card)


@pytest.fixture(scope="module")
def picture():
    """A picture (40, 48, 3) of which no two turns are alike."""
    rows, columns = np.mgrid[:40, :48]
    return np.stack([rows * 6, columns * 5, rows + columns], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_file_is_the_picture_that_pillow_opens_whatever_its_orientation(classifier, picture, tmp_path, orientation):
    path = tmp_path / "picture.png"
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(picture).save(path, exif=exif)
    with Image.open(path) as opened:
        of_file, of_picture = classifier.predict_proba([path, opened])
    np.testing.assert_allclose(of_file, of_picture, atol=1e-6)
    if orientation == 1:
        np.testing.assert_allclose(of_file, classifier.predict_proba(picture[None])[0], atol=1e-6)


@pytest.mark.parametrize(
    "change", [lambda array: array / 255.0, lambda array: array[..., 0], lambda array: array.astype(np.int64)]
)
def test_an_array_that_would_be_misread_is_refused(classifier, picture, change):
    with pytest.raises(DataError, match=r"uint8 of shape \(H, W, 3\)"):
        classifier.predict_proba([change(picture)])


def test_one_image_is_no_list_of_images(classifier, picture):
    with pytest.raises(DataError, match=r"shape \(48, 3\)"):
        classifier.predict_proba(picture)
    for one in ("picture.png", Image.fromarray(picture)):
        with pytest.raises(UsageError, match="one image"):
            classifier.predict_proba(one)


def test_no_image_has_no_probabilities(classifier):
    assert classifier.predict_proba([]).shape == (0, 3)
