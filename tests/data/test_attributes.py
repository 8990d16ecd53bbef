"""What images differ in: bands of ages, and what a lesion table says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skineval.data.attributes import attributes, ordered
from skineval.data.synthetic import synthetic


def test_attributes_are_those_in_which_images_differ():
    table = synthetic.load(images=70)
    ages = np.resize([np.nan, 0, 29, 30, 44.5, 45, 74, 75, 90], 70)
    frame = table.frame.assign(age=ages, sex="male", lesion_id=["A"] * 3 + ["B"] * 2 + [f"L{k}" for k in range(65)])
    found = attributes(replace(table, frame=frame), frame["image_id"].tolist()[::-1])
    bands = [
        *("unknown", "0 to 29", "0 to 29", "30 to 44", "30 to 44", "45 to 59", "60 to 74"),
        *("75 and older", "75 and older"),
    ]
    assert found["age"][::-1][:9].tolist() == bands
    assert "sex" not in found
    assert found["images of the lesion"][::-1][:6].tolist() == ["3 or more"] * 3 + ["2", "2", "1"]
    assert found["localization"].tolist() == frame["localization"].tolist()[::-1]
    assert ordered(found["age"])[-1] == "unknown"


def test_where_nobody_knows_which_images_show_one_lesion_their_number_is_no_attribute():
    table = synthetic.load(images=70)
    loose = table.frame.assign(lesion_id=table.frame["image_id"], group=table.frame["image_id"])
    assert "images of the lesion" not in attributes(
        replace(table, frame=loose, lesions_known=False), loose["image_id"].tolist()
    )
