"""torchvision's ImageNet weights: where they lie, and fetching them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from skineval.base.errors import WeightsError
from skineval.data.fetch.verification import OURS, Checksum, Promise

ATTEMPTS = 3  # who has no network should not wait for it long
_DIGEST = re.compile(r"-([0-9a-f]{8,})\.")


@dataclass(frozen=True)
class Checkpoint:
    """A file of ImageNet weights."""

    network: str  #: as torchvision calls it
    version: int  #: of the weights: 1 is IMAGENET1K_V1

    @property
    def url(self) -> str:
        """Where it is published."""
        from torchvision.models import get_model_weights

        return str(get_model_weights(self.network)[f"IMAGENET1K_V{self.version}"].url)

    def path(self) -> Path:
        """Where torch keeps it; it need not be there."""
        import torch

        return Path(str(torch.hub.get_dir())) / "checkpoints" / self.url.rpartition("/")[2]

    def fetch(self) -> Path:
        """Find it where torch keeps it, or download it; either way its digest is that in its name.

        Raises WeightsError naming the file and its place where it cannot be had.
        """
        from skineval.data.fetch.download import DownloadError, RemoteFile, download
        from skineval.data.fetch.transport import Patience

        path, url = self.path(), self.url
        digest = _DIGEST.search(path.name)
        assert digest is not None, path.name  # torchvision promises the first digits of the SHA-256
        promise = Promise("file", None, (Checksum(OURS, digest[1], truncated=True),))
        remote = RemoteFile(path.name, url, promise, page=url)
        try:
            return download(remote, path.parent, patience=Patience(attempts=ATTEMPTS)).path
        except DownloadError as error:
            there = f" {path} is there, but its SHA-256 does not begin with {digest[1]}." if path.exists() else ""
            raise WeightsError(
                f"The ImageNet weights {path.name} cannot be had: {error.message}{there}",
                f"Download {url} where there is a network and place it as {path}, or train from scratch with "
                "--weights none.",
            ) from error
