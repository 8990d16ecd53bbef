"""A trained model of skineval as a Gradio app: what `skineval demo` says of it, from the same functions."""

from __future__ import annotations

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import gradio
from PIL import Image

from skineval.base.errors import SkinevalError
from skineval.catalog.catalog import load_catalog
from skineval.demo.opening import open_model
from skineval.demo.predicting import Demonstration
from skineval.demo.statement import statement

SIDE = 448  #: pixels a side of the picture under a map
KEPT = 60  #: seconds that Gradio keeps what is uploaded, at least
_FONTS = ["system-ui", "sans-serif"]  # its own are fetched from Google


def app(model: str | Path, *, device: str = "auto") -> gradio.Blocks:
    """The app for a trained model, which is given as to `skineval.load_model`; raises what `open_model` does."""
    shown, samples = open_model(Path(model), load_catalog(), device=device)
    told = statement(shown, samples)
    names = {one["label"]: one["name"] for one in told["classes"]}
    with gradio.Blocks(title="skineval", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as page:
        gradio.Markdown(introduction(told))
        with gradio.Row():
            with gradio.Column():
                # None: the file as it is, so that what is predicted is what `skineval predict` would be given.
                image = gradio.Image(
                    label="Image", type="filepath", image_mode=None, sources=["upload", "clipboard", "webcam"]
                )
                explainer = gradio.Dropdown(list(shown.explainers), label="Method")
                target = gradio.Dropdown([("its answer", ""), *((names[one], one) for one in names)], label="Of")
                opacity = gradio.Slider(0, 1, 0.65, label="Opacity of the map")
            with gradio.Column():
                bars = gradio.Label(label="Answer", num_top_classes=len(names))
                words = gradio.Markdown()
                map_ = gradio.Image(label="Where it looked", interactive=False, format="png")

        def look(path: str | None, explainer: str, target: str, opacity: float) -> tuple[Any, str, Any]:
            return answer(shown, names, path, explainer, target or "", opacity)

        given = [image, explainer, target, opacity]
        # One after the other: a network has all cores.
        gradio.on([one.change for one in given], look, given, [bars, words, map_], concurrency_limit=1, api_name="look")
        with tempfile.TemporaryDirectory() as folder:  # Gradio makes a copy of each
            files = [put_down(Path(folder, f"{place}.png"), one.content) for place, one in enumerate(samples.images)]
            gradio.Examples([[file] for file in files], [image], label=told["samples_origin"])
        gradio.Markdown("\n\n".join([*told["standing"], *told["remarks"]]))
    return page


def introduction(told: dict[str, Any]) -> str:
    """What stands above everything else."""
    return "\n\n".join([f"# {told['model']}", f"**{told['notice']}**", *(f"**{one}**" for one in told["stamps"])])


def answer(
    shown: Demonstration, names: dict[str, str], path: str | None, explainer: str, target: str, opacity: float
) -> tuple[dict[str, float] | None, str, Image.Image | None]:
    """Probabilities by name, words on malignancy and the map, and the image with its map; nothing without an image."""
    if path is None:
        return None, "", None
    try:
        found = shown.answer(Path(path).read_bytes(), explainer or "", target)
    except SkinevalError as error:
        raise gradio.Error(str(error)) from error
    explanation = found["explanation"]
    words = [said_of_malignancy(found["malignancy"])]
    if explanation:
        words += [explanation["silence"], explanation["positions"]]
    map_ = overlaid(found["seen"], explanation["heatmap"] if explanation else None, opacity)
    return {names[label]: share for label, share in found["probabilities"].items()}, "\n\n".join(words), map_


def said_of_malignancy(found: dict[str, Any] | None) -> str:
    """What the threshold says; empty where no class is malignant."""
    if found is None:
        return ""
    share = f"Probability of malignancy: {found['probability']:.1%}."
    if found["threshold"] is None:
        return share
    verdict = "suspicious" if found["suspicious"] else "not suspicious, which rules nothing out"
    return f"{share} With the threshold chosen on validation images, {found['threshold']:.1%}, it is {verdict}."


def overlaid(seen: str, heatmap: str | None, opacity: float) -> Image.Image:
    """What the network saw, with its map over it; both are data URLs of PNG images."""
    picture = opened(seen).convert("RGB").resize((SIDE, SIDE))
    if heatmap is not None:
        heat = opened(heatmap).convert("RGBA").resize((SIDE, SIDE))
        picture.paste(heat, mask=heat.getchannel("A").point(lambda level: int(level * opacity)))
    return picture


def opened(url: str) -> Image.Image:
    """The image in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def put_down(path: Path, content: bytes) -> str:
    """The name of a file with this content."""
    path.write_bytes(content)
    return str(path)


def main() -> None:
    """Serve the model that is named on the command line, to this machine alone."""
    asked = argparse.ArgumentParser(description="A trained model of skineval as a Gradio app. No diagnosis.")
    asked.add_argument("model", help="the folder of a trained cell, or of a bench that has only one")
    asked.add_argument("--device", default="auto")
    asked.add_argument("--port", type=int, default=7860)
    given = asked.parse_args()
    try:
        page = app(given.model, device=given.device)
    except SkinevalError as error:
        sys.exit(str(error))
    page.launch(**served(given.port))


def served(port: int) -> dict[str, Any]:
    """How it is served: to this machine alone, without an account of anybody, and without fonts from elsewhere."""
    theme = gradio.themes.Base(font=_FONTS, font_mono=["monospace"])
    return {"server_name": "127.0.0.1", "server_port": port, "share": False, "max_file_size": "8mb", "theme": theme}
