"""Operators that are known and cannot be read, with the reason that the user gets."""

from __future__ import annotations

from workers.formats.tensorflow.read.layer import handles, reads
from workers.formats.tensorflow.safety import UNSAFE

reads.refuse(
    "it works on text; cut the graph behind it with the option 'inputs'",
    "AsString", "ReduceJoin", "RegexReplace", "RegexFullMatch", "RegexSplitWithOffsets", "StaticRegexReplace",
    "StaticRegexFullMatch", "StringJoin", "StringLower", "StringUpper", "StringSplit", "StringSplitV2",
    "StringToHashBucketFast", "StringToHashBucket", "StringToHashBucketStrong", "StringToNumber", "StringStrip",
    "StringLength", "StringFormat", "Substr", "DecodeBase64", "EncodeBase64", "DecodeRaw", "UnicodeDecode",
    "UnicodeDecodeWithOffsets", "UnicodeEncode", "SentencepieceOp", "SentencepieceTokenizeOp",
    "WordpieceTokenizeWithOffsets", "ParseExample", "ParseExampleV2", "ParseSingleExample", "DecodeCSV",
)  # fmt: skip
reads.refuse(
    "it looks words up in a table; cut the graph behind it with the option 'inputs'",
    "LookupTableFind", "LookupTableFindV2", "LookupTableInsert", "LookupTableInsertV2", "LookupTableSize",
    "LookupTableSizeV2", "LookupTableImportV2", "InitializeTableV2",
)  # fmt: skip
reads.refuse(
    "it decodes a file format; feed the decoded picture or sound instead, by the option 'inputs'",
    "DecodeJpeg", "DecodePng", "DecodeGif", "DecodeBmp", "DecodeImage", "DecodeAndCropJpeg", "DecodeWav",
    "EncodeJpeg", "EncodePng",
)  # fmt: skip
reads.refuse(
    "the number and places of its results depend on the data of a sparse tensor, which ONNX has not",
    "CTCBeamSearchDecoder", "DenseToDenseSetOperation",
    "DenseToSparseSetOperation", "SparseConcat", "SparseSlice", "SparseReorder", "SparseSoftmax",
    "RaggedGather", "RaggedRange", "RaggedTensorFromVariant", "RaggedTensorToSparse", 
    "RaggedTensorToVariant", "DeserializeSparse", "SerializeSparse",
)  # fmt: skip
reads.refuse(
    "it chooses at random, which ONNX cannot say", "RandomShuffle", "SampleDistortedBoundingBox",
    "SampleDistortedBoundingBoxV2", "RandomGamma", "RandomPoisson", "RandomPoissonV2", "RandomCrop",
    "StatelessRandomUniformV2", "StatelessRandomNormalV2", "StatelessRandomUniform", "StatelessRandomNormal",
    "StatelessRandomGetKeyCounter", "StatelessMultinomial", "StatefulUniform", "StatefulStandardNormalV2",
)  # fmt: skip
reads.refuse(
    "it is part of training", "CTCLoss", "CTCLossV2", "Assign", "AssignAdd", "AssignSub", "AssignVariableOp",
    "AssignAddVariableOp", "AssignSubVariableOp", "ApplyAdam", "ApplyGradientDescent", "ApplyMomentum",
    "ResourceApplyAdam", "ResourceApplyGradientDescent", "Conv2DBackpropFilter", "MaxPoolGrad", "AvgPoolGrad",
    "FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3", "ReluGrad", "TanhGrad", "SigmoidGrad",
    "BiasAddGrad", "BroadcastGradientArgs", "DepthwiseConv2dNativeBackpropFilter", "ResizeBilinearGrad",
    "ScatterUpdate", "ScatterAdd", "ResourceScatterUpdate", "ResourceScatterAdd", "StackPushV2", "StackPopV2",
    "SymbolicGradient",
)  # fmt: skip
reads.refuse(
    "it is a queue of an input pipeline; name the tensors behind it in the option 'inputs'",
    "FIFOQueueV2", "RandomShuffleQueueV2", "PaddingFIFOQueueV2", "QueueEnqueueV2", "QueueEnqueueManyV2", "IteratorV2",
    "OneShotIterator", "MakeIterator", "Stage", "Unstage",
)  # fmt: skip
reads.refuse(
    "it computes on eight-bit numbers with ranges found while it runs; convert the float graph instead",
    "QuantizedConv2D", "QuantizedMatMul", "QuantizedRelu", "QuantizedRelu6", "QuantizedReshape", "QuantizedMaxPool",
    "QuantizedAvgPool", "QuantizedBiasAdd", "QuantizedAdd", "QuantizedMul", "QuantizedConcat",
    "QuantizeDownAndShrinkRange", "Requantize", "RequantizationRange",
)  # fmt: skip
reads.refuse(
    "ONNX has no counterpart", "ImageProjectiveTransformV2",
    "ImageProjectiveTransformV3", "Addons>Resampler", "Resampler", "Svd", "Qr",
    "SelfAdjointEigV2", "Lu", "MatrixLogarithm",
    "MatrixExponential", "FractionalMaxPool", "FractionalAvgPool", "NonMaxSuppressionWithOverlaps",
    "TensorListPopBack", "ExtractGlimpse", "ExtractGlimpseV2", "DrawBoundingBoxes", "DrawBoundingBoxesV2",
    "ExtractVolumePatches", "EditDistance", "LogUniformCandidateSampler",
)  # fmt: skip
reads.refuse(
    "it was made by an optimiser for one device; save the graph without optimising it", "_FusedConv2D",
    "_FusedMatMul", "_FusedBatchNormEx", "_FusedDepthwiseConv2dNative", "TRTEngineOp", "_MklConv2D", "_MklMatMul",
    "_MklFusedConv2D", "_UnaryOpsComposition",
)  # fmt: skip
reads.refuse(
    "it is no operator of TensorFlow; other converters call a pattern or a layer so",
    "ATan", "ConstV2", "Conv1D", "DepthwiseConv2d", "Dropout", "ELU", "ERF", "ERFC", "Flatten", "HardSwish",
    "L2Normalization", "LeakyReLU", "Loop", "Prelu", "RandomNormal", "RandomNormalLike", "RandomUniformLike", "Scan",
    "SquaredDistance", "TFLite_Detection_PostProcess", "function_entry", "get_global", "get_tuple",
    "iff", "make_tuple", "set_global", "swish_f32", "while",
)  # fmt: skip
reads.refuse(
    "a loop's own edge, which stands in no graph by itself", "NextIteration", "RefNextIteration",
)  # fmt: skip
for _operator, _reason in UNSAFE.items():
    if _operator not in reads.rules and _operator not in handles.rules and _operator not in reads.refused:
        reads.refuse(f"unsafe: {_reason}", _operator)
