"""Running a trained network over stored images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skineval.base.errors import CellError, Interrupted, plural
from skineval.base.terms import Progress
from skineval.train.faults import is_out_of_memory
from skineval.train.network import Capture
from skineval.train.rows import FileRows


@contextmanager
def full_float32() -> Iterator[None]:
    """Convolutions of float32 tensors keep all 23 bits of the mantissa, on NVIDIA GPUs, too.

    torch lets cuDNN round their inputs to TF32's 10 bits, about three decimal digits: images would tie that are not
    alike. (Products of matrices it leaves alone.) bfloat16 under autocast is not concerned.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


COPIED = 1024  #: images that are on their way to a GPU at the same time


@dataclass(frozen=True)
class Symmetry:
    """How an image is turned before it is predicted: one of the eight symmetries of the square."""

    quarters: int = 0  #: turns by 90 degrees
    mirrored: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) seen so, in channels_last memory."""
        turned = torch.rot90(images, self.quarters, (2, 3))
        return (turned.flip(3) if self.mirrored else turned).contiguous(memory_format=torch.channels_last)


UNTURNED = Symmetry()
#: The symmetries over which test-time augmentation takes the mean, by the names that a recipe gives it.
SYMMETRIES: Mapping[str, tuple[Symmetry, ...]] = MappingProxyType(
    {
        "none": (UNTURNED,),
        "d4": tuple(Symmetry(quarters, mirrored) for mirrored in (False, True) for quarters in range(4)),
    }
)


def never() -> bool:
    """The default of `should_stop`."""
    return False


def ignore_note(note: str) -> None:
    """The default of `on_note`."""


def ignore_progress(done: int, total: int) -> None:
    """The default of `progress`."""


MOST = 256  #: images in a batch that is predicted
#: Pixels in a batch on a CPU. Of many more, what a layer makes is too large for memory that is kept for the next one,
#: and the system has to hand out new pages each time: with 256 images of 224 pixels that takes more than half of it.
PIXELS = 8 * 224**2


def fastest_batch(side: int, device: torch.device) -> int:
    """How many images of `side` pixels a side are predicted at a time the fastest, or next to it."""
    return max(1, min(MOST, PIXELS // side**2)) if device.type == "cpu" else MOST


@dataclass(frozen=True)
class Stage:
    """Where networks and images meet: the device, the precision, and the images on that device."""

    images: Tensor | FileRows  #: (n, H, W, 3) uint8: the store on the device, or its file (CPU, or too large a store)
    device: torch.device
    precision: str  #: "fp32" or "bf16"
    normalise: Callable[[Tensor], Tensor]
    should_stop: Callable[[], bool] = never
    on_note: Callable[[str], None] = ignore_note  #: told what went wrong in prediction and was mended
    progress: Progress = ignore_progress  #: told of how many images embeddings or logits are made, and of how many

    @property
    def batch_size(self) -> int:
        """How many images at a time are predicted the fastest, or next to it."""
        return fastest_batch(self.images.shape[1], self.device)

    def take(self, rows: Tensor) -> Tensor:
        """The images `rows`, uint8 (n, 3, H, W) in channels_last memory."""
        return self.images[rows].to(self.device).permute(0, 3, 1, 2)

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of training steps and of embeddings."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def stop_if_asked(self) -> None:
        """Raise Interrupted if the user asked to stop."""
        if self.should_stop():
            raise Interrupted


def put_on_device(
    store: NDArray[np.uint8],
    device: torch.device,
    rows: NDArray[np.int64] | None = None,
    on_note: Callable[[str], None] = ignore_note,
) -> Tensor | FileRows:
    """Store (n, H, W, 3) for networks on `device`: copied once to a GPU; on a CPU a memory map is read as needed.

    A map that is larger than the GPU's memory is read as needed as well, and a note says so. With `rows`, (m,) int64,
    only these images, in this order.
    """
    if not isinstance(store, np.memmap):
        return torch.tensor(store if rows is None else store[rows], device=device)
    stored = FileRows(store, rows)
    if device.type == "cpu":
        return stored
    try:
        images = torch.empty(stored.shape, dtype=torch.uint8, device=device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        unfit = plural(len(stored), "image does", "images do")
        on_note(f"{unfit} not fit into the memory of {device}: they are read from disk at every step.")
        return stored
    for start in range(0, len(stored), COPIED):
        images[start : start + COPIED] = stored[start : start + COPIED]
    return images


@torch.no_grad()
@full_float32()
def predict_logits(
    model: nn.Module,
    stage: Stage,
    rows: NDArray[np.int64],
    batch_size: int | None = None,
    symmetry: Symmetry = UNTURNED,
) -> NDArray[np.float32]:
    """Logits (n, C) of the images `rows`, in float32 whatever the network was trained in.

    bfloat16 has three decimal digits: images would tie that are not alike, and ranks would be lost. Where memory runs
    out, the result is that of the largest half, quarter, ... of `batch_size` that it holds, and a note says so; raises
    CellError where it does not hold a single image.
    """
    model.eval()

    def logits(batch: Tensor) -> Tensor:
        returned: Tensor = model(stage.normalise(symmetry(stage.take(batch))))
        return returned.float()

    return in_batches(logits, stage, rows, batch_size)


def predict_probabilities(
    model: nn.Module, stage: Stage, rows: NDArray[np.int64], tta: str = "none", batch_size: int | None = None
) -> NDArray[np.float64]:
    """Class probabilities (n, C) of the images `rows`, each row sums to 1.

    With `tta` "d4" they are the mean of the probabilities over the eight turns and mirrorings of each image, and the
    same however an image is turned; that takes eight times as long. Raises CellError where a logit is not finite.
    """
    views = [softmax(predict_logits(model, stage, rows, batch_size, symmetry)) for symmetry in SYMMETRIES[tta]]
    mean: NDArray[np.float64] = np.mean(views, axis=0)
    return mean


@torch.no_grad()
@full_float32()
def embed(
    model: nn.Module,
    head: nn.Module,
    stage: Stage,
    rows: NDArray[np.int64],
    batch_size: int | None = None,
    symmetry: Symmetry = UNTURNED,
) -> NDArray[np.float32]:
    """Embeddings (n, d) float32 of the images `rows`: what `head` is given, in the precision of training.

    Where memory runs out, as `predict_logits`.
    """
    model.eval()
    with Capture(head) as capture:

        def embeddings(batch: Tensor) -> Tensor:
            with stage.autocast():
                model(stage.normalise(symmetry(stage.take(batch))))
            if capture.value is None or capture.value.ndim != 2:
                raise CellError(
                    "The head was not given embeddings of shape (n, d); the architecture's `head` is wrong."
                )
            # A copy: what is given to a head may be a part of something large, such as all tokens of a transformer.
            return capture.value.to(torch.float32, copy=True)

        return in_batches(embeddings, stage, rows, batch_size)


def decide(head: nn.Module, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (n, C) of embeddings (n, d), by the head of a network."""
    device = next(iter(head.state_dict().values())).device
    with torch.no_grad():
        logits: NDArray[np.float32] = head(torch.from_numpy(embeddings).to(device)).cpu().numpy()
    return logits


def in_batches(
    function: Callable[[Tensor], Tensor], stage: Stage, rows: NDArray[np.int64], batch_size: int | None
) -> NDArray[np.float32]:
    """`function` of all `rows` (n,), so many at a time, joined: (n, ...); None: as many as the stage says.

    Where memory runs out, everything is done again in batches of half the size, so that all have one size.
    """
    size = max(1, min(batch_size or stage.batch_size, len(rows)))
    while (found := attempt(function, stage, rows, size)) is None:
        if size == 1:
            raise CellError("Memory ran out with a single image. Use a smaller --image-size or another model.")
        size = (size + 1) // 2
        stage.on_note(f"Memory ran out: {size} images at a time were predicted.")
    return found


def attempt(
    function: Callable[[Tensor], Tensor], stage: Stage, rows: NDArray[np.int64], batch_size: int
) -> NDArray[np.float32] | None:
    """`function` of all `rows` in batches, joined, or None where memory ran out, whose batch is gone by then."""
    done = []
    try:
        for batch in torch.split(torch.from_numpy(rows).to(stage.images.device), batch_size):
            stage.stop_if_asked()
            done.append(function(batch))
            stage.progress(sum(map(len, done)), len(rows))
        return torch.cat(done).cpu().numpy()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (n, C) float64, rows sum to 1; raises CellError where a logit is not finite."""
    if not np.isfinite(logits).all():
        raise CellError(
            f"The network returned NaN or infinite logits for {(~np.isfinite(logits)).any(1).sum()} images."
        )
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
