"""The names of what can be done to train images, and the presets that a recipe may name instead.

The deeds themselves are in `skineval.train.augment`; this module is what a recipe is checked against.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from skineval.base.errors import nearest

#: In the order in which they are written, and what each does.
COMPONENTS: Mapping[str, str] = MappingProxyType(
    {
        "flip": "mirror half of the images",
        "rotate": "turn by any angle",
        "zoom": "enlarge or shrink by up to 15 %",
        "shift": "move by up to 8 % of a side",
        "shear": "slant by up to 8 degrees",
        "colour": "change brightness, contrast, saturation and the balance of red and blue",
        "randaugment": "two operations of RandAugment, drawn from twelve, of magnitudes up to 9 of 30",
        "hair": "draw hairs over a quarter of the images",
        "erase": "blank a rectangle of 2 to 20 % of the area in a quarter of the images",
        "mixup": "blend with another image of the batch, and its label, by shares from Beta(0.2, 0.2)",
        "cutmix": "paste a rectangle of another image of the batch, and its label, into half of the images",
    }
)
MIXING = frozenset({"mixup", "cutmix"})  #: those that give an image a second label
_BASIC = ("flip", "rotate", "zoom", "shift", "colour")
PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"none": (), "basic": _BASIC, "strong": tuple(COMPONENTS)})


def canonical(text: str) -> str:
    """`text` (a preset, or components with commas) as it is written: a preset where it is one.

    Raises ValueError naming what is unknown.
    """
    names = PRESETS.get(text.strip())
    if names is None:
        names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in COMPONENTS:
            close = nearest(name, [*PRESETS, *COMPONENTS], most=1)
            suggestion = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(f"{', '.join(PRESETS)}, or any of {', '.join(COMPONENTS)}{suggestion}")
    chosen = components(",".join(names)) if names else ()
    return next((preset for preset, members in PRESETS.items() if members == chosen), ",".join(chosen))


def components(text: str) -> tuple[str, ...]:
    """The components that a preset or a list of names stands for, in the order of `COMPONENTS`."""
    named = PRESETS.get(text, tuple(text.split(",")))
    return tuple(name for name in COMPONENTS if name in named)
