"""Tables of operators: where parameters stand, where integers stand, what serves training, what holds nets."""

from __future__ import annotations

# Inputs that are always parameters: a blob there that nobody fills is missing.
PARAMETERS: dict[str, tuple[int, ...]] = {
    "SpatialBN": (1, 2, 3, 4), "PRelu": (1,), "DeformConv": (2, 3), "ElementwiseLinear": (1, 2), "LayerNorm": (1, 2),
    "RMSNorm": (1, 2),
}  # fmt: skip
PARAMETERS.update(dict.fromkeys(
    ("Conv", "Conv1D", "Conv2D", "Conv3D", "ConvTranspose", "ConvRelu", "FC", "FCTransposed", "LC", "LC1D", "LC2D",
     "LC3D", "Int8Conv", "Int8ConvRelu", "Int8FC", "Int8ConvTranspose", "AffineChannel", "InstanceNorm", "GroupNorm",
     "FbFCPacked"), (1, 2),
))  # fmt: skip

# Inputs that hold integers: a fed blob there is int32, or int64 where Caffe2 takes nothing else.
INTEGER_SLOTS: dict[str, dict[int, str]] = {}


def _integers(slots: dict[int, str], *types: str) -> None:
    INTEGER_SLOTS.update((type, slots) for type in types)


_integers({1: "INT32"}, "Gather", "BatchGather", "GatherRanges", "LengthsSum", "LengthsMean", "LengthsMax",
          "LengthsWeightedSum", "SortedSegmentSum", "SortedSegmentMean", "UnsortedSegmentSum", "UnsortedSegmentMean",
          "LabelCrossEntropy", "Accuracy")  # fmt: skip
_integers({0: "INT32"}, "LengthsToRanges", "LengthsRangeFill", "LengthsToSegmentIds", "LengthsToOffsets",
          "LengthsToWeights", "SparseToDense", "Unique", "PackSegments", "UnpackSegments")  # fmt: skip
_integers({0: "INT64"}, "OneHot")
_integers({1: "INT64", 2: "INT32"}, "SparseLengthsSum", "SparseLengthsMean", "SparseLengthsMax",
          "SparseLengthsSumFused8BitRowwise", "SparseLengthsMeanFused8BitRowwise", "SparseLengthsSumFused4BitRowwise",
          "SparseLengthsSumFused2BitRowwise", "SparseLengthsSum8BitsRowwise",
          "SparseLengthsMean8BitsRowwise")  # fmt: skip
_integers({2: "INT64", 3: "INT32"}, "SparseLengthsWeightedSum", "SparseLengthsPositionalWeightedSum",
          "SparseLengthsWeightedSumFused8BitRowwise", "SparseLengthsWeightedSumFused4BitRowwise",
          "SparseLengthsWeightedSum8BitsRowwise")  # fmt: skip
_integers({0: "INT32", 3: "INT32"}, "SparseToDenseMask")
_integers({0: "INT64", 1: "INT64"}, "BatchSparseToDense")
_integers({0: "INT64", 1: "INT32", 2: "INT64"}, "BatchOneHot")
_integers({3: "INT32", 4: "INT32"}, "LSTMUnit")
_integers({2: "INT32", 3: "INT32"}, "GRUUnit")
_integers({0: "BOOL"}, "If", "While", "Not", "Where")
_integers({0: "BOOL", 1: "BOOL"}, "And", "Or", "Xor")

# Of these only the first input counts at inference: labels and weights fall away.
DATA_ONLY = frozenset({"SoftmaxWithLoss", "SpatialSoftmaxWithLoss"})

# Operators whose nets work on the blobs of the net around them.
BRANCHING = frozenset({"If", "AsyncIf", "While", "Do"})

# What is left out of a net: losses, measures, optimisers, and keepers of the count of iterations.
TRAINING = frozenset({
    "LabelCrossEntropy", "CrossEntropy", "AveragedLoss", "Accuracy", "MultiClassAccuracy", "Iter", "AtomicIter",
    "LearningRate", "LearningRateAdaption", "MomentumSGD", "MomentumSGDUpdate", "SparseMomentumSGDUpdate", "Adagrad",
    "SparseAdagrad", "RowWiseSparseAdagrad", "Adam", "SparseAdam", "RowWiseSparseAdam", "Adadelta", "SparseAdadelta",
    "RmsProp", "Ftrl", "SparseFtrl", "GFtrl", "YellowFin", "Lars", "Storm", "SparseStorm", "Wngrad", "SparseWngrad",
    "FP16MomentumSGDUpdate", "FP32MomentumSGDUpdate", "WeightDecay", "ScatterWeightedSum", "Summarize", "Print",
    "Snapshot", "Checkpoint", "Save", "Free", "Assert", "EnforceFinite", "TimerBegin", "TimerEnd", "TimerGet",
    "TimerGetAndEnd", "DAGNetBarrier", "SigmoidCrossEntropyLoss", "SmoothL1Loss", "SelectSmoothL1Loss",
    "SigmoidFocalLoss", "SoftmaxFocalLoss",
})  # fmt: skip


# What brings data in: its results become inputs.
READERS = frozenset({
    "TensorProtosDBInput", "ImageInput", "VideoInput", "ReadNextBatch", "DequeueBlobs", "SafeDequeueBlobs",
    "DequeueRebatchingQueue", "CreateDB",
})  # fmt: skip


def is_parameter_slot(type: str, slot: int) -> bool:
    return slot in PARAMETERS.get(type, ())
