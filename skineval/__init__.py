"""skineval: the benchmark for skin-lesion classifiers that can be believed."""

from __future__ import annotations
