"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.caffe2.read.layer import reads

reads.refuse(
    "it refines keypoints by fitting a parabola around the peak of a heat map; take the heat maps, its first input, as "
    "the output", "HeatmapMaxKeypoint",
)  # fmt: skip
reads.refuse("it runs any function of PyTorch by its name; export the model to ONNX from PyTorch itself", "ATen")
