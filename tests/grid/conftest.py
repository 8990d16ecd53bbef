"""What the tests of benches share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.conftest import undrawn


@pytest.fixture(scope="module", autouse=True)
def without_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is drawn, but for modules that say DRAWN."""
    with nullcontext() if getattr(request.module, "DRAWN", False) else undrawn():
        yield
