"""A head whose logits are cosines, for losses with margins between directions.

Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019, section 3.2: the
last layer is without bias, with embeddings and class vectors of length 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CosineHead(nn.Linear):
    """Embeddings (N, d) -> logits (N, C): `scale` times the cosine to the vector of each class, plus `bias`.

    `scale` and `bias` are not trained; the latter is 0 until logits are adjusted.
    """

    scale: Tensor  #: () float32

    def __init__(self, in_features: int, out_features: int, scale: float) -> None:
        super().__init__(in_features, out_features, bias=False)
        del self._parameters["bias"]  # in whose place there is what no optimizer knows
        self.register_buffer("bias", torch.zeros(out_features))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits (N, C)."""
        cosines = F.linear(F.normalize(embeddings, dim=1), F.normalize(self.weight, dim=1))
        return self.scale * cosines + self.bias
