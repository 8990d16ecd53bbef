"""How long threads of one process spin where they wait for one another, before they let others compute."""

from __future__ import annotations

from collections.abc import Mapping

#: For the OpenMP of GNU, which torch has on Linux, and for that of LLVM and Intel. The first counts turns of a loop,
#: where 300,000 are usual; `python -m benchmarks.busy` shows what that costs and gains. The second counts milliseconds,
#: where 200 are usual, and was not measured.
BRIEFLY = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
POLICY = "OMP_WAIT_POLICY"  #: whoever sets it has decided


def waiting_briefly(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of a process that computes, before it loads torch; nothing that is set there."""
    if POLICY in environment:
        return {}
    return {name: value for name, value in BRIEFLY.items() if name not in environment}
