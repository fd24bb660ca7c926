"""Masks: which steps of a sequence count. Layers of these kinds hand the mask of their first input on."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder, Value

passes = frozenset({
    "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "ThresholdedReLU", "SReLU", "ParametricSoftplus",
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
    "GaussianNoise", "ActivityRegularization", "Dense", "BatchNormalization", "LayerNormalization",
    "GroupNormalization", "RMSNormalization", "UnitNormalization", "Identity", "EinsumDense", "Rescaling", "Highway",
    "TimeDistributed",
})  # fmt: skip


def both(g: GraphBuilder, masks: Sequence[Value | None]) -> Value | None:
    """Steps that count in all masks that there are."""
    found: Value | None = None
    for mask in masks:
        if mask is not None and mask is not found:
            found = mask if found is None else g.And(found, mask)
    return found


def merged(g: GraphBuilder, xs: Sequence[Tensor], generation: int) -> Value | None:
    """The mask of layers that add, multiply or compare.

    Keras 3 counts a step that counts in any input, if all have masks; before, it had to count in all masks there are.
    """
    masks = [x.mask for x in xs]
    if generation < 3:
        return both(g, masks)
    found: Value | None = masks[0]
    for mask in masks[1:]:
        if mask is None or found is None:
            return None
        found = found if mask is found else g.Or(found, mask)
    return found
