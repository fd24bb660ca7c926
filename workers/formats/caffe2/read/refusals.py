"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.caffe2.read.layer import reads

reads.refuse("it runs any function of PyTorch by its name; export the model to ONNX from PyTorch itself", "ATen")
