"""Photographs: left out with the reason where the images cannot be had."""

from __future__ import annotations

from dataclasses import replace

from skineval.base.errors import DataError
from skineval.report.document.blocks import LeftOut
from skineval.report.figures.galleries import photographs
from skineval.report.figures.scene import scene_of
from skineval.values.result import BenchResult


def left_out(bench: BenchResult) -> list[LeftOut]:
    return [item for item in photographs(scene_of(bench), bench) if isinstance(item, LeftOut)]


def test_without_pixels_the_photographs_are_left_out_with_the_reason(bench: BenchResult) -> None:
    left = left_out(replace(bench, pixels=None))
    assert [item.topic for item in left] == ["samples", "mistakes"]
    assert "no longer" in left[0].words


def test_an_image_that_cannot_be_read_leaves_out_the_photographs(bench: BenchResult) -> None:
    def broken(image_ids: object) -> None:
        raise DataError("ISIC_0000001.jpg is damaged.")

    left = left_out(replace(bench, pixels=broken))
    assert left[0].reason == "ISIC_0000001.jpg is damaged."
