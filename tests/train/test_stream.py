"""Predictions of files as they come: those of `predict_proba`, in order, with little in memory."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from skineval.base.errors import CellError
from skineval.data.given_images import GivenImage, given_images
from skineval.data.pixels.threads import cores
from skineval.train import stream
from skineval.train.checkpoint import Progress
from skineval.train.classifier import Classifier, InitialWeights, model_card
from tests.data.folders import encoded, photograph, picture
from tests.train.toys import SPEC, TOY

BATCH = 4


@pytest.fixture(params=["none", "d4"])
def classifier(request, monkeypatch):
    torch.manual_seed(0)
    card = model_card(SPEC, TOY, InitialWeights("none", (), ""), Progress(), ())
    monkeypatch.setattr(Classifier, "batch_size", BATCH)
    return Classifier(TOY.build(3, weights=None).eval(), TOY, dataclasses.replace(card, tta=request.param))


@pytest.fixture
def write(tmp_path):
    """Files of these contents, as they are given."""

    def files(*contents: bytes) -> list[GivenImage]:
        for place, content in enumerate(contents):
            (tmp_path / f"{place}.jpg").write_bytes(content)
        paths = [str(tmp_path / f"{place}.jpg") for place in range(len(contents))]
        return [one for one in given_images(paths) if isinstance(one, GivenImage)]

    return files


def photographs(n: int) -> list[bytes]:
    return [encoded(photograph(seed, 60 + seed, 45)) for seed in range(n)]


def never(error: Exception) -> None:
    raise AssertionError(error)


@pytest.mark.parametrize("n", [1, BATCH, 2 * BATCH + 3])
def test_answers_are_those_of_predict_proba_bit_for_bit(classifier, write, n):
    images = write(*photographs(n))
    answers = list(stream.predict_stream(classifier, images, never))
    assert [name for some in answers for name in some.images] == [one.name for one in images]
    assert [len(some.images) for some in answers][:-1] == [BATCH] * ((n - 1) // BATCH)
    found = np.concatenate([some.probabilities for some in answers])
    np.testing.assert_array_equal(found, classifier.predict_proba([one.name for one in images], BATCH))


def test_what_cannot_be_decoded_is_told_in_order_and_left_out(classifier, write):
    good, refused = photographs(6), []
    images = write(good[0], b"", good[1], b"<html>", *good[2:], good[0][:300])
    answers = list(stream.predict_stream(classifier, images, refused.append))
    kept = [images[place].name for place in (0, 2, 4, 5, 6, 7)]
    assert [name for some in answers for name in some.images] == kept
    np.testing.assert_array_equal(
        np.concatenate([some.probabilities for some in answers]), classifier.predict_proba(kept, BATCH)
    )
    for place, error in zip((1, 3, 8), refused, strict=True):
        assert error.message.startswith(images[place].name)
        assert error.hint
        assert "quarantine" not in error.hint  # which is for data sets


def test_no_image_has_no_answer(classifier):
    assert list(stream.predict_stream(classifier, [], never)) == []


def test_few_images_are_decoded_before_they_are_asked_for(classifier, write):
    images, asked = write(*photographs(1)) * 500, []
    answers = stream.predict_stream(classifier, (asked.append(one) or one for one in images), never)
    for batch in range(1, 4):
        next(answers)
        assert len(asked) <= batch * BATCH + max(2 * cores(), BATCH) + 1
    answers.close()


def test_an_image_for_which_memory_runs_out_is_one_that_cannot_be_read(classifier, write, monkeypatch):
    images, refused, decode = write(*photographs(2)), [], stream.decode_bytes

    def hungry(content, size, name, **options):
        if name == images[0].name:
            raise MemoryError
        return decode(content, size, name, **options)

    monkeypatch.setattr(stream, "decode_bytes", hungry)
    (answers,) = stream.predict_stream(classifier, images, refused.append)
    assert answers.images == (images[1].name,)
    assert [one.message for one in refused] == [f"{images[0].name} does not fit into memory."]


def test_a_network_that_returns_nan_is_an_error(classifier, write):
    nn.init.constant_(classifier.network[8].bias, float("nan"))
    with pytest.raises(CellError, match="NaN or infinite logits"):
        list(stream.predict_stream(classifier, write(*photographs(2)), never))


def test_memory_that_runs_out_in_the_network_is_noted(classifier, write):
    notes, forward = [], classifier.network.forward

    def hungry(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(images)

    classifier.network.forward = hungry
    answers = list(stream.predict_stream(classifier, write(*photographs(6)), never, notes.append))
    assert sum(len(some.images) for some in answers) == 6
    assert set(notes) == {"Memory ran out: 2 images at a time were predicted."}


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, exif=exif)


def bomb() -> bytes:
    content = bytearray(encoded(picture(0)))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = bytes([0xEA, 0x60] * 2)
    return bytes(content)


ODD = {
    "CMYK": encoded(photograph(1, 60, 45).convert("CMYK")),
    "grey": encoded(photograph(1, 60, 45).convert("L")),
    "palette": encoded(photograph(1, 60, 45).convert("P"), "PNG"),
    "transparent": encoded(photograph(1, 60, 45).convert("RGBA"), "PNG"),
    "turned by EXIF": turned(photograph(1, 60, 45)),
    "20,000 pixels wide": encoded(photograph(1, 200, 3).resize((20_000, 30))),
    "one pixel": encoded(picture(0, (1, 1)), "PNG"),
}
REFUSED = {
    "empty": (b"", "is empty"),
    "no image": (b"hello", "is not a JPEG"),
    "header bomb": (bomb(), "60000 x 60000 pixels, more than 50 million"),
    "16 bits": (encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"), "mode I;16"),
    "animated": (encoded(picture(0), "WEBP", save_all=True, append_images=[picture(1)]), "holds 2 images"),
    "cut": (photographs(1)[0][:400], "cannot be decoded"),
}


@pytest.mark.parametrize("case", ODD)
def test_unusual_images_are_seen_as_pillow_shows_them(classifier, write, case):
    (answers,) = stream.predict_stream(classifier, write(ODD[case]), never)
    with Image.open(io.BytesIO(ODD[case])) as opened:
        expected = classifier.predict_proba([opened])
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_network_should_look_at_is_refused_with_its_reason(classifier, write, case):
    content, words = REFUSED[case]
    refused = []
    assert list(stream.predict_stream(classifier, write(content), refused.append)) == []
    assert words in refused[0].message
