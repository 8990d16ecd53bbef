"""Initial weights: found before anything is trained, and read without running code that a file may hold."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.errors import ModelFileError, WeightsError, did_you_mean, first_few
from skineval.base.files import atomic_write
from skineval.catalog.specs import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

NONE, IMAGENET = "none", "imagenet"
SAFETENSORS, TORCH = (".safetensors",), (".pt", ".pth", ".ckpt", ".tar", ".bin")
#: Under which training programs keep the tensors in a file, the first that is there.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "ema")

#: Of a network's numbers, from which on a file is taken to be of it: all but a large head.
LEAST = 0.5

#: torchvision's files of DenseNets are older than its names of modules.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


@dataclass(frozen=True)
class Weights:
    """Where initial weights come from."""

    identity: str  #: "none", "imagenet" or "sha256:..."
    path: Path | None = None

    def of(self, architecture: Architecture) -> str:
        """What a network of `architecture` begins with, as `RunSpec.weights`: of some there are no ImageNet weights."""
        return NONE if self.identity == IMAGENET and not architecture.has_weights else self.identity

    @property
    def called(self) -> str:
        """A name of it for people."""
        return self.path.stem if self.path else self.identity

    def lacking(self, architecture: Architecture) -> str:
        """A sentence on what of a network begins with random values all the same; empty where nothing does."""
        names = architecture.from_scratch if self.identity == IMAGENET else ()
        if not names:
            return ""
        where = f"in {architecture.name} " if names != (architecture.name,) else ""
        begins = "it begins with random values" if len(names) == 1 else "they begin with random values"
        return f"There are no ImageNet weights of {' and '.join(names)}: {where}{begins}."


@dataclass(frozen=True)
class Loaded:
    """What a file of weights gave a network, or a part of a hybrid; kept in model.json."""

    architecture: str
    file: str  #: its name; "" where there is none, and all begins with random values
    sha256: str
    loaded: tuple[str, ...]  #: tensors of the network that hold what the file says
    missing: tuple[str, ...]  #: tensors of the network that stayed as initialised
    unused: tuple[str, ...]  #: tensors of the file that fit nothing
    prefix: str = ""  #: what was taken off the names in the file


@dataclass(frozen=True)
class Match:
    """Which tensors of a file go where in a network."""

    prefix: str  #: what is taken off the names in the file
    fitting: Mapping[str, str]  #: by the names of the network, those in the file
    others: tuple[str, ...] = ()  #: prefixes under which as many tensors would fit


def resolve_weights(text: str, architectures: list[Architecture]) -> Weights:
    """Make sure that `text` (none, imagenet, or a file) can be had for all `architectures`, downloading if need be.

    An architecture of which there are no ImageNet weights, or such a part of a hybrid, begins with random values: see
    `Weights.of`. Raises WeightsError when weights cannot be had and ModelFileError for a file that is not one of
    tensors.
    """
    if text == NONE:
        return Weights(NONE)
    if text == IMAGENET:
        parts = [part for architecture in architectures for part in architecture.parts or (architecture,)]
        for fetch in (part.fetch_weights for part in parts if part.fetch_weights):
            fetch()
        return Weights(IMAGENET)
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        hint = f"{did_you_mean(text, (NONE, IMAGENET))} Use imagenet, none, or a file.".lstrip()
        raise WeightsError(f"--weights is {text!r}: there is no such file ({path}).", hint)
    read_tensors(path)
    return Weights(f"sha256:{sha256_of(path)}", path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of safetensors, or of torch, where they may lie under one of `WRAPPERS`.

    Other dictionaries of tensors beside those, such as an average, keep their key in front of their names. Raises
    ModelFileError naming a file that is damaged or something else; nothing that a file holds is run.
    """
    if path.suffix in SAFETENSORS:
        return _read_safetensors(path)
    if path.suffix in TORCH:
        return _read_torch(path)
    raise ModelFileError(
        f"{path} is no file of weights: its name ends in {path.suffix!r}.",
        f"Those end in {', '.join((*SAFETENSORS, *TORCH))}.",
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # which imports torch

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read as safetensors: {error}.", "Fetch or write it again.") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        _refuse_compressed(path)
        with torch.serialization.safe_globals(_stand_ins(path)):
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, for what is damaged and for what would run code
        raise ModelFileError(
            f"{path} is damaged, or holds more than tensors and plain values ({type(error).__name__}).",
            "What would run code is refused. Where you trust the file, load it with what wrote it, and save only the "
            "network: torch.save(network.state_dict(), 'weights.pt').",
        ) from error
    beside: dict[str, Tensor] = {}
    if isinstance(content, dict) and (found := [key for key in WRAPPERS if isinstance(content.get(key), dict)]):
        beside = _beside(content, found[0])
        content = content[found[0]]
    if not isinstance(content, dict) or not content:
        raise ModelFileError(f"{path} holds {type(content).__name__}, not a dictionary of tensors.", _PLAIN)
    others = [str(name) for name, value in content.items() if not _is_named_tensor(name, value)]
    if others:
        raise ModelFileError(f"{path} holds more than tensors: {first_few(others)}.", _PLAIN)
    return {name: tensor.detach() for name, tensor in {**beside, **content}.items()}


class _PassedOver:
    """Stands for an object of a class that is not looked up: takes all that a file says of it, and does nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    def extend(self, _: object) -> None: ...


def _stand_ins(path: Path) -> list[Callable[..., object] | tuple[Callable[..., object], str]]:
    """A class that does nothing for each name in a file that torch does not read as a plain value.

    Checkpoints hold the settings of those who trained: paths, numpy's numbers, classes of their own. No such name is
    looked up, so that nothing of it is run. What Python itself or the operating system can do is no setting, and is
    left for torch to refuse, as are files from before torch 1.6.
    """
    import torch

    if not zipfile.is_zipfile(path):
        return []
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    settings = [name for name in names if name.partition(".")[0] not in _PYTHON]
    return [(type(name.rpartition(".")[2], (_PassedOver,), {}), name) for name in settings]


def _beside(content: Mapping[str, object], chosen: str) -> dict[str, Tensor]:
    """The tensors of the dictionaries of nothing else that lie beside the `chosen` one, with their key in front."""
    return {
        f"{key}.{name}": tensor
        for key, value in content.items()
        if key != chosen and isinstance(value, dict) and all(_is_named_tensor(*item) for item in value.items())
        for name, tensor in value.items()
    }


_PYTHON = frozenset({"builtins", "os", "posix", "nt", "sys", "subprocess"})
_PLAIN = f"Save a plain state dict, or one under {' or '.join(map(repr, WRAPPERS))}."


def _is_named_tensor(name: object, value: object) -> bool:
    from torch import Tensor

    return isinstance(name, str) and isinstance(value, Tensor)


def _refuse_compressed(path: Path) -> None:
    # torch stores its tensors as they are; a compressed file may grow without bound.
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, str] | None = None) -> None:
    """Write a safetensors file, atomically; raises DiskError naming `path` when it cannot be written."""
    from safetensors.torch import save

    # safetensors stores contiguous tensors; channels_last weights are made so, and back when they are loaded.
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Its `save_file` puts a file of its own beside the one it is given, and leaves that behind when it is killed.
    atomic_write(path, save(plain, metadata=header))


def load_into(model: nn.Module, path: Path, name: str = "") -> Loaded:
    """Copy every tensor of the file at `path` that has the name and shape of one of `model`'s, called `name`.

    A prefix that is not in the network, such as "module.", is taken off the names in the file. A file of a backbone
    without its head, or with one for other classes, is what fine-tuning starts from. Raises ModelFileError, with the
    names that did not fit, when nothing fits.
    """
    tensors = read_tensors(path)
    state = model.state_dict()
    found = _match(tensors, state)
    _check(found, tensors, state, path, name)
    model.load_state_dict({own: tensors[given] for own, given in found.fitting.items()}, strict=False)
    return _loaded(name, path, found, tensors, state)


def recorded(model: nn.Module, path: Path, name: str) -> Loaded:
    """What the file at `path` gave `model`, which its architecture has loaded itself: what is equal to the last bit."""
    try:
        tensors = read_tensors(path)
    except ModelFileError:  # a format that its architecture alone reads: what of it was used cannot be told
        return Loaded(name, path.name, sha256_of(path) if path.is_file() else "", (), (), ())
    state = model.state_dict()
    found = _match(tensors, state)
    equal = {
        own: given
        for own, given in found.fitting.items()
        if tensors[given].to(state[own].dtype).equal(state[own].cpu())
    }
    return _loaded(name, path, Match(found.prefix, equal), tensors, state)


def _check(found: Match, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Raises ModelFileError where nothing of a file fits, too little, two things of it alike, or what is not finite."""
    called = f"the network {name}" if name else "the network"
    if all(state[one].ndim == 0 for one in found.fitting):  # counters of batches say nothing
        raise ModelFileError(
            f"No tensor of {path} fits {called}. Did not fit: {_listed(tensors.keys(), tensors)}.",
            f"The network has, for example: {_listed(state.keys(), state)}.",
        )
    given, needed = (sum(state[name].numel() for name in names) for names in (found.fitting, state))
    if given < LEAST * needed:
        raise ModelFileError(
            f"Only {given:,} of {needed:,} numbers of {called} are in {path}, which is of another network. It lacks: "
            f"{_listed(state.keys() - found.fitting.keys(), state)}.",
            "Name the network that the file is of, with its parameters, such as cnn:width=16.",
        )
    if broken := [one for one in found.fitting.values() if not tensors[one].isfinite().all()]:
        raise ModelFileError(
            f"{path} holds numbers that are not finite: in {_listed(broken, tensors)}.", "Save the weights again."
        )
    if found.others:
        raise ModelFileError(
            f"{path} holds the network more than once, under {', '.join((found.prefix, *found.others))}.",
            "Save the tensors of one of them to a file of their own.",
        )


def _match(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Match:
    named = {name: _OLD_DENSENET.sub(r"\1\2", name) for name in tensors}
    fits: Counter[str] = Counter()
    for name, modern in named.items():
        for start in (0, *(at.end() for at in re.finditer(r"\.", modern))):
            if _fits(tensors[name], state.get(modern[start:])):
                fits[modern[:start]] += 1
    most = max(fits.values(), default=0)
    prefix, *others = sorted((prefix for prefix in fits if fits[prefix] == most), key=len) or [""]
    fitting = {
        modern.removeprefix(prefix): name
        for name, modern in named.items()
        if modern.startswith(prefix) and _fits(tensors[name], state.get(modern.removeprefix(prefix)))
    }
    # Names that fit as they are need no prefix taken off, whatever else would fit.
    return Match(prefix, fitting, tuple(others) if prefix else ())


def _loaded(name: str, path: Path, found: Match, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Loaded:
    missing, unused = state.keys() - found.fitting.keys(), tensors.keys() - set(found.fitting.values())
    return Loaded(
        architecture=name,
        file=path.name,
        sha256=sha256_of(path),
        loaded=tuple(sorted(found.fitting)),
        missing=tuple(sorted(missing)),
        unused=tuple(sorted(unused)),
        prefix=found.prefix,
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fits(tensor: Tensor, own: Tensor | None) -> bool:
    return own is not None and own.shape == tensor.shape


def _listed(names: Collection[str], tensors: Mapping[str, Tensor], most: int = 8) -> str:
    shown = [f"{name} {tuple(tensors[name].shape)}" for name in sorted(names)[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
