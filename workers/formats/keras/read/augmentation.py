"""Random augmentation, which does nothing at inference."""

from __future__ import annotations

from workers.formats.keras.read.layer import Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder


@reads(
    "AugMix", "CutMix", "MixUp", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale",
    "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom",
    "Solarization",
)  # fmt: skip
def augmentation(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Images as they are: the layer acts in training only."""
    return x
