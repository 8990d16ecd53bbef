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


def main() -> int:
    """A row a photograph, with the probability of each class; what cannot be read is named, and the others go on."""
    session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
    about = session.get_modelmeta().custom_metadata_map
    print(*json.loads(about["stamps"]), about["statement"], sep="\n", file=sys.stderr)
    table = csv.writer(sys.stdout)
    table.writerow(["image", *json.loads(about["classes"])])
    refused = 0
    for name in sys.argv[1:]:
        try:
            with Image.open(name) as photograph:
                upright = ImageOps.exif_transpose(photograph).convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            refused = 1
            continue
        probabilities, _ = session.run(None, {"images": np.asarray(upright)[None]})
        table.writerow([name, *probabilities[0].tolist()])
    return refused


if __name__ == "__main__":
    sys.exit(main())
