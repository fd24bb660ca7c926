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
reads.refuse("ONNX has no linear algebra beyond products and determinants", *(f"ops.{name}" for name in (
    "Cholesky", "CholeskyInverse", "Eig", "Eigh", "Inv", "LuFactor", "Lstsq", "MatrixRank", "Pinv", "Qr", "SVD",
    "Solve", "SolveTriangular",
)))  # fmt: skip
reads.refuse("it holds a function of Python's, which is never run", *(f"ops.{name}" for name in (
    "AssociativeScan", "Cond", "ForiLoop", "Function", "JVP", "Map", "Scan", "VectorizedMap", "WhileLoop",
)))  # fmt: skip
_MOVED = "it samples images at computed places in a way that ONNX's GridSample does not"
reads.refuse(_MOVED, *(f"ops.{name}" for name in (
    "AffineTransform", "ElasticTransform", "MapCoordinates", "PerspectiveTransform", "ScaleAndTranslate",
)))  # fmt: skip
reads.refuse("its result has as many elements as the data happen to give, or their order is not fixed", "ops.Unique",
             "ops.Argpartition", "ops.Histogram")  # fmt: skip
reads.refuse("it searches step by step, which onnxhub does not write out", "ops.CTCDecode", "ops.CTCLoss", "ops.Gcd",
             "ops.Lcm")  # fmt: skip
