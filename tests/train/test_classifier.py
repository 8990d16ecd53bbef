"""A trained model: loaded only where it is whole, and its probabilities for images of every kind that users have."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from skineval.base.codec import write_json
from skineval.base.errors import DataError, ModelFileError, UsageError
from skineval.catalog.catalog import load_catalog
from skineval.train.checkpoint import Progress
from skineval.train.classifier import Classifier, InitialWeights, load_classifier, model_card
from skineval.train.prior import ESTIMATED, NOT_ESTIMATED
from skineval.train.weights import read_tensors, sha256_of, write_tensors
from skineval.values.runspec import Selection
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


@pytest.fixture
def saved(tmp_path):
    """The folder of a model, and a function that says something else in its model.json."""
    torch.manual_seed(0)
    architecture = load_catalog().architectures["cnn"]
    parameters = {"width": 4, "dropout": 0.0}
    spec = replace(SPEC, model=Selection("cnn", parameters, "cnn:width=4:dropout=0.0"), image_size=32)
    write_tensors(tmp_path / "model.safetensors", architecture.build(3, weights=None, **parameters).state_dict())
    card = model_card(spec, architecture, InitialWeights("none", (), ""), Progress(), ())
    write_json(tmp_path / "model.json", replace(card, sha256=sha256_of(tmp_path / "model.safetensors")))

    def say(**changes):
        about = json.loads((tmp_path / "model.json").read_text())
        (tmp_path / "model.json").write_text(json.dumps(about | changes))

    return tmp_path, say


def test_a_model_is_loaded_by_its_folder_or_its_weights(saved, picture):
    folder, say = saved
    found = load_classifier(folder, device="cpu").predict_proba([picture])
    assert np.array_equal(found, load_classifier(folder / "model.safetensors", device="cpu").predict_proba([picture]))
    say(sha256="", something="of a later version")  # of versions before there is no checksum
    assert np.array_equal(found, load_classifier(folder, device="cpu").predict_proba([picture]))


@pytest.mark.parametrize("place", [0, 7, 40, 0.3, 0.6, -1])
def test_a_byte_that_changed_in_the_weights_is_noticed(saved, place):
    file = saved[0] / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 0x01
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        load_classifier(saved[0])


@pytest.mark.parametrize("length", [0, 1, 8, 100, -1])
def test_weights_that_were_cut_are_refused(saved, length):
    file = saved[0] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=r"model\.safetensors cannot be read"):
        load_classifier(saved[0])


def test_nothing_in_place_of_weights_is_run(saved, tmp_path):
    (saved[0] / "model.safetensors").write_text(f"cos\nsystem\n(S'touch {tmp_path / 'flag'}'\ntR.")
    with pytest.raises(ModelFileError, match=r"model\.safetensors cannot be read"):
        load_classifier(saved[0])
    assert not (tmp_path / "flag").exists()


@pytest.mark.parametrize("change", ["nan", "shape", "name"])
def test_weights_of_something_else_are_refused(saved, change):
    folder, say = saved
    tensors = read_tensors(folder / "model.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    if change == "nan":
        tensors[name][0] = float("nan")
    elif change == "shape":
        tensors[name] = tensors[name][:1]
    else:
        tensors[f"{name}.x"] = tensors.pop(name)
    write_tensors(folder / "model.safetensors", tensors)
    say(sha256="")
    with pytest.raises(ModelFileError, match=name):
        load_classifier(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "two-layers"}, r"cannot be loaded: There is no model 'two-layers'"),
        ({"architecture": "two-layers", "package": "skineval-two-layers 0.1"}, "It came with skineval-two-layers 0.1"),
        ({"architecture": "timm/x"}, "no package that is installed provides names that begin with timm/"),
        ({"architecture": "resnet18", "parameters": {}}, "does not fit resnet18"),
        ({"parameters": {"width": -4}}, "cnn:width is -4"),
        ({"parameters": {"depth": 4}}, "cnn has no parameter 'depth'"),
        ({"parameters": {"width": [4]}}, r"model\.json cannot be read"),
        ({"classes": []}, r"model\.json: classes is \(\)"),
        ({"classes": ["red", "red", "blue"]}, r"model\.json: classes is"),
        ({"classes": ["red", "blue"]}, r"does not fit cnn"),
        ({"image_size": 0}, r"model\.json: image_size is 0"),
        ({"image_size": 10**9}, r"model\.json: image_size is 1000000000"),
        ({"normalisation": {"mean": [0.5] * 3, "std": [0.0] * 3}}, r"model\.json: normalisation is"),
        ({"normalisation": {"mean": [0.5], "std": [0.5] * 3}}, r"model\.json: normalisation is"),
        ({"normalisation": {"mean": [1e999] * 3, "std": [0.5] * 3}}, r"model\.json"),
        ({"stamps": "LEAKY"}, r"model\.json cannot be read: stamps"),
    ],
    ids=str,
)
def test_a_model_json_that_cannot_be_is_refused(saved, changes, words):
    folder, say = saved
    say(**changes)
    with pytest.raises(ModelFileError, match=words) as caught:
        load_classifier(folder)
    assert caught.value.hint
    assert caught.value.exit_code == 4


def test_a_model_says_where_its_architecture_came_from():
    given = replace(SPEC, model_package="skineval-toy 1.2")
    card = model_card(given, TOY, InitialWeights("none", (), ""), Progress(), ())
    assert card.package == "skineval-toy 1.2"


def test_shares_that_were_estimated_of_a_whole_part_are_told_not_to_be(classifier):
    assert classifier.remarks == ()
    about = replace(classifier.about, head=f"temperature 1.2, {ESTIMATED}")
    assert replace(classifier, about=about).remarks == (NOT_ESTIMATED,)
