"""What model.onnx, beside this file, takes photographs for, as CSV on standard output. No diagnosis.

pip install numpy onnxruntime pillow
python predict.py PHOTOGRAPH...
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main() -> None:
    """A row a photograph, with the probability of each class."""
    session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
    about = session.get_modelmeta().custom_metadata_map
    print(*json.loads(about["stamps"]), about["statement"], sep="\n", file=sys.stderr)
    table = csv.writer(sys.stdout)
    table.writerow(["image", *json.loads(about["classes"])])
    for name in sys.argv[1:]:
        with Image.open(name) as photograph:
            upright = ImageOps.exif_transpose(photograph).convert("RGB")
        probabilities, _ = session.run(None, {"images": np.asarray(upright)[None]})
        table.writerow([name, *probabilities[0].tolist()])


if __name__ == "__main__":
    main()
