"""Layer types that are known and cannot be read, with the reason that the user reads."""

from __future__ import annotations

from workers.formats.keras.read.layer import reads

reads.refuse(
    "it holds Python code, which is never run; replace it by layers, or rebuild the model without it", "Lambda"
)
reads.refuse(
    "it wraps a program of another framework, which is not in the file as layers", "TFSMLayer", "FlaxLayer", "JaxLayer",
    "TorchModuleWrapper",
)  # fmt: skip
reads.refuse("ONNX has no hash function that gives the same numbers", "Hashing", "HashedCrossing")
reads.refuse(
    "it splits and cleans text, for which ONNX has no operators that agree in every character; tokenise before the "
    "model", "TextVectorization",
)  # fmt: skip
reads.refuse("it works on boxes or labels beside images, not on tensors of a model", "MaxNumBoundingBoxes")
reads.refuse(
    "it equalises histograms image by image, which ONNX's operators cannot say", "Equalization", "AutoContrast",
    "ContrastLimitedAdaptiveHistogramEqualization",
)  # fmt: skip
reads.refuse("it is only a base class of other layers", "Layer", "Wrapper", "Recurrent", "ConvRecurrent2D", "InputSpec")
reads.refuse(
    "a cell is no layer of its own; it is read inside an RNN layer", "LSTMCell", "GRUCell", "SimpleRNNCell",
    "StackedRNNCells", "ConvLSTM2DCell",
)  # fmt: skip
reads.refuse("it computes spectra whose windows and padding onnxhub does not write yet", "STFTSpectrogram",
             "MelSpectrogram")  # fmt: skip
