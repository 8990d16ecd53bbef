"""The Gradio app of a trained model: it says what skineval says, and is served to this machine alone."""

import numpy as np
import pytest
import skineval_gradio
from gradio_client import Client, handle_file
from PIL import Image

import skineval


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A bench of one tiny cell."""
    keys = {"models": "cnn:width=4", "data": "synthetic:images=150", "image_size": 32, "epochs": 1}
    folder = tmp_path_factory.mktemp("bench") / "tiny"
    return skineval.bench("demo", **keys, imbalance="none", explainers=(), replicates=1000, out=folder)


@pytest.fixture(scope="module")
def client(bench):
    """A client of the app."""
    page = skineval_gradio.app(bench.folder, device="cpu")
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, **skineval_gradio.served(0) | {"server_port": None}
    )
    assert address.startswith("http://127.0.0.1")
    yield Client(address, verbose=False)
    page.close()


def test_it_says_what_skineval_says(client, bench, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.jpg")
    bars, words, map_ = client.predict(handle_file(tmp_path / "image.jpg"), "gradcam", "", 0.5, api_name="/look")
    known = skineval.load_model(bench.folder, device="cpu").predict_proba([tmp_path / "image.jpg"])[0]
    found = {one["label"]: one["confidence"] for one in bars["confidences"]}
    assert sorted(found.values()) == pytest.approx(sorted(known))
    assert bars["label"] in found
    assert "Probability of malignancy" in words
    assert Image.open(map_).size == (skineval_gradio.SIDE, skineval_gradio.SIDE)


def test_it_says_that_it_is_no_diagnosis_and_what_was_measured(client):
    told = str(client.config)
    assert "No diagnosis" in told
    assert "SYNTHETIC" in told
    assert "Balanced accuracy there" in told


def test_a_map_is_as_opaque_as_is_asked():
    from skineval.demo.predicting import as_url

    seen = as_url(Image.new("RGB", (8, 8), "white"))
    heat = as_url(Image.new("RGBA", (8, 8), (0, 0, 0, 255)))
    levels = [skineval_gradio.overlaid(seen, heat, opacity).getpixel((4, 4))[0] for opacity in (0, 0.5, 1)]
    assert levels[0] == 255
    assert levels[1] == pytest.approx(128, abs=2)
    assert levels[2] == 0
