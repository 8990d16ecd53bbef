"""What the graph makes of photographs is what skineval makes of them, whatever their size."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skineval.data.pixels.resizing import fit_array
from skineval.publish.graph import OPSET
from skineval.publish.parity import open_session
from skineval.publish.preparation import IMAGES, SQUARES, preparation
from tests.data.folders import photograph

SIZE = 24
FITS = ("squash", "crop", "pad")


@pytest.fixture(scope="module")
def sessions():
    return {fit: open_session(preparation(SIZE, fit, 10, OPSET)) for fit in FITS}


def both(session, pictures: np.ndarray, fit: str) -> tuple[np.ndarray, np.ndarray]:
    """What graph and skineval make of pictures, as whole numbers."""
    (squares,) = session.run([SQUARES], {IMAGES: pictures})
    own = np.stack([fit_array(picture, SIZE, fit) for picture in pictures])
    return squares.transpose(0, 2, 3, 1).astype(int), own.astype(int)


@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), n=st.integers(1, 3), seed=st.integers(0, 9))
def test_noise_of_any_size_is_resized_within_two_grey_levels(sessions, fit, height, width, n, seed):
    pictures = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3)).astype(np.uint8)
    found, own = both(sessions[fit], pictures, fit)
    assert found.shape == own.shape
    assert np.abs(found - own).max() <= 2


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("height", "width"), [(150, 200), (200, 150), (90, 90), (18, 30)])
def test_photographs_are_resized_as_pillow_does_but_for_single_pixels(sessions, fit, height, width):
    pictures = np.stack([np.asarray(photograph(number, width, height)) for number in (1, 2)])
    assert pictures.shape == (2, height, width, 3)
    found, own = both(sessions[fit], pictures, fit)
    assert np.abs(found - own).max() <= 1
    assert (found != own).mean() < 0.05
    assert own.std() > 5, "a picture of one colour would agree with anything"


@pytest.mark.parametrize("fit", FITS)
def test_squares_of_the_right_size_stay_as_they_are(sessions, fit):
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    found, _ = both(sessions[fit], pictures, fit)
    np.testing.assert_array_equal(found, pictures)


@pytest.mark.parametrize("fit", FITS)
def test_the_graph_is_sound_and_holds_nothing_that_is_not_used(fit):
    graph = preparation(SIZE, fit, 10, OPSET)
    onnx.checker.check_model(graph, full_check=True)
    used = {name for node in graph.graph.node for name in node.input}
    assert {tensor.name for tensor in graph.graph.initializer} <= used
