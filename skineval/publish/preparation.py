"""What is done to a photograph before a network sees it, as a graph of ONNX: `skineval.data.pixels.resizing` again.

ONNX Runtime resizes bytes as Pillow does, with the same fixed-point arithmetic, so that both agree but for single
pixels, which differ by one grey level; a graph that resized floats would round once where both round twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from skineval.base.terms import Fit

if TYPE_CHECKING:
    import onnx

IMAGES, SQUARES = "images", "squares"  #: what goes in, and what comes out

_BEGIN = "planes = Transpose <perm = [0, 3, 1, 2]> (images)"
_RESIZE = """
    kept = Shape <start = 0, end = 2> (planes)
    sizes = Concat <axis = 0> (kept, {sides})
    {resized} = Resize <
        mode = "linear", antialias = 1, exclude_outside = 1, coordinate_transformation_mode = "half_pixel"
    > ({image}, , , sizes)"""
_CROP = """
    shape = Shape <start = 2> (planes)
    shorter = ReduceMin <keepdims = 1> (shape)
    over = Sub (shape, shorter)
    first = Div (over, two)
    last = Add (first, shorter)
    square = Slice (planes, first, last, across)"""
_SCALE = """
    shape = Shape <start = 2> (planes)
    lengths = Cast <to = 11> (shape)
    longest = ReduceMax <keepdims = 1> (lengths)
    wanted = Cast <to = 11> (side)
    times = Mul (lengths, wanted)
    exact = Div (times, longest)
    even = Round (exact)
    whole = Cast <to = 7> (even)
    scaled = Max (whole, one)"""
_PAD = """
    missing = Sub (side, scaled)
    before = Div (missing, two)
    after = Sub (missing, before)
    margins = Concat <axis = 0> (none, before, none, after)
    squares = Pad (small, margins, black)"""
#: In double and half to even, as Python rounds.
_STEPS: Mapping[Fit, str] = MappingProxyType(
    {
        "squash": _BEGIN + _RESIZE.format(sides="side", image="planes", resized="squares"),
        "crop": _BEGIN + _CROP + _RESIZE.format(sides="side", image="square", resized="squares"),
        "pad": _BEGIN + _SCALE + _RESIZE.format(sides="scaled", image="planes", resized="small") + _PAD,
    }
)
#: Which constants these use; ONNX Runtime warns of others.
_CONSTANTS: Mapping[Fit, str] = MappingProxyType(
    {
        "squash": "",
        "crop": ", int64[1] two = {2}, int64[2] across = {2, 3}",
        "pad": ", int64[1] one = {1}, int64[1] two = {2}, int64[2] none = {0, 0}, uint8 black = {0}",
    }
)


def preparation(size: int, fit: Fit, ir_version: int, opset: int) -> onnx.ModelProto:
    """A graph from RGB `IMAGES` (N, H, W, 3) uint8 to `SQUARES` (N, 3, size, size) uint8, as `fit_array` makes them.

    All images of a batch have one height and width, any.
    """
    import onnx.parser

    graph: onnx.ModelProto = onnx.parser.parse_model(f"""
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
prepare (uint8[batch, height, width, 3] {IMAGES}) => (uint8[batch, 3, {size}, {size}] {SQUARES})
<int64[2] side = {{{size}, {size}}}{_CONSTANTS[fit]}>
{{
    {_STEPS[fit]}
}}""")
    return graph
