"""Memory that batches are computed in is kept, unless somebody else has decided."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from skineval.base.memory import DECIDED

PAGES = 2**26 // 4096  #: of 64 MB
#: How many pages of a block of 64 MB are found anew, each time that it is taken.
SCRIPT = """
import os, resource, torch
from skineval.train.cpu import use_cpu

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // times

os.environ["MALLOC_TOP_PAD_"] = "131072"
use_cpu(1)
decided = faults(4)
del os.environ["MALLOC_TOP_PAD_"]
use_cpu(1)
faults(8)
print(decided, faults(4), torch.get_num_threads())
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="this is about glibc")
def test_a_block_that_was_freed_is_taken_again_unless_somebody_has_decided():
    alone = {name: value for name, value in os.environ.items() if name not in DECIDED}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=alone, capture_output=True, text=True, check=True)
    decided, kept, threads = map(int, done.stdout.split())
    assert decided > 0.9 * PAGES
    assert kept < 0.1 * PAGES
    assert threads == 1
