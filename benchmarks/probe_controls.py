"""What pretraining is worth to a probe: each pretrained probe against the probe of random weights of its network.

    python -m benchmarks.probe_controls BENCH

BENCH is the folder of a bench of `--freeze all` with `--weights NAME=FILE,NAME=none` for each network. Pairs are
formed under each imbalance strategy; differences are those of comparisons.csv, on the same images, with Holm's
correction over all pairs. Writes controls.csv into the folder, and prints it as a table.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from skineval.base.files import atomic_write
from skineval.grid.folder import BenchFolder
from skineval.grid.measuring import Systems, systems
from skineval.grid.reading import read_bench
from skineval.measure.comparisons import differences, holm
from skineval.measure.names import METRICS

_PROBE = re.compile(r"(.+) \((.+) probe\)")
_RANDOM = "random"


def main() -> None:
    """Compare, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path)
    folder = parser.parse_args().bench
    bench = read_bench(BenchFolder(folder))
    rows = compare(systems(bench), bench.recipe.replicates, bench.recipe.split_seed)
    if rows.empty:
        parser.error(f"{folder} has no probe of random weights beside one of others.")
    atomic_write(folder / "controls.csv", rows.to_csv(index=False))
    print("| network | strategy | pretrained - random, balanced accuracy | p (Holm) |\n|---|---|---:|---:|")
    for row in rows.itertuples():
        print(
            f"| {row.network} | {row.imbalance} | {row.value:.3f} [{row.low:.3f}, {row.high:.3f}] | {row.p_holm:.3f} |"
        )


def compare(found: Systems, replicates: int, seed: int) -> pd.DataFrame:
    """A row for each pair of a pretrained probe and its control: the difference of balanced accuracy."""
    rows = []
    for (model, imbalance), cells in found.items():
        named = _PROBE.fullmatch(model)
        if named is None or named[2] == _RANDOM:
            continue
        control = found[f"{named[1]} ({_RANDOM} probe)", imbalance]
        (one,) = differences(cells, control, METRICS[:1], replicates=replicates, seed=seed)
        rows.append((named[1], named[2], imbalance, one.value, one.low, one.high, one.p, one.n_images, one.n_lesions))
    columns = ["network", "weights", "imbalance", "value", "low", "high", "p", "n_images", "n_lesions"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(p_holm=holm(frame["p"].tolist()))


if __name__ == "__main__":
    main()
