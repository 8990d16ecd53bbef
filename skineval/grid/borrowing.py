"""Networks that other benches of the runs folder have trained: the same network is not trained twice."""

from __future__ import annotations

from collections.abc import Iterable

from skineval.base.files import atomic_write
from skineval.grid.folder import BenchFolder, NetworkFolder


def trained_beside(folder: BenchFolder, networks: Iterable[str]) -> dict[str, NetworkFolder]:
    """Of `networks`, by id, those that a bench beside this one has trained, and this one has not.

    An id holds everything that a network depends on, data and split included.
    """
    others = sorted(folder.path.parent.iterdir()) if folder.path.parent.is_dir() else []
    lenders = {
        network: [there for other in others if (there := BenchFolder(other).network(network)).weights.is_file()]
        for network in networks
        if not folder.network(network).weights.is_file()
    }
    return {network: there[0] for network, there in lenders.items() if there}


def borrow(folder: BenchFolder, networks: Iterable[str]) -> dict[str, NetworkFolder]:
    """Copy what `trained_beside` finds into the folder of a bench; returns what was copied, by id.

    What cannot be read is left alone, and trained again.
    """
    beside = trained_beside(folder, networks)
    if not beside:
        return {}
    from skineval.grid.cell.training import read_network  # with torch, which a bench itself does without

    taken = {network: there for network, there in beside.items() if read_network(there) is not None}
    for network, there in taken.items():
        own = folder.network(network)
        own.path.mkdir(parents=True, exist_ok=True)
        atomic_write(own.about, there.about.read_bytes())
        atomic_write(own.weights, there.weights.read_bytes())
    return taken
