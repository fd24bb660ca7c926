"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.caffe2.read.layer import reads

reads.refuse("it runs any function of PyTorch by its name; export the model to ONNX from PyTorch itself", "ATen")
reads.refuse(
    "it is the user's own code, which is not in the file; say what it computes in ONNX instead",
    "Python", "PythonDLPack",
)  # fmt: skip
reads.refuse(
    "the parameter is drawn at random: the init net is that of an untrained model. Export the trained one with "
    "mobile_exporter or predictor_exporter", "XavierFill", "MSRAFill",
)  # fmt: skip
reads.refuse("ONNX draws floats only, and never without repetition", "UniformIntFill", "UniqueUniformFill")
reads.refuse(
    "it works on texts, which tensors of a network do not hold",
    "GivenTensorStringFill", "StringEndsWith", "StringEquals", "StringIndexCreate", "StringJoin", "StringPrefix",
    "StringStartsWith", "StringSuffix", "TextFileReaderRead", "CreateTextFileReader", "NGramFromCategorical",
)  # fmt: skip
reads.refuse(
    "it refines keypoints by fitting a parabola around the peak of a heat map; take the heat maps, its first input, as "
    "the output", "HeatmapMaxKeypoint",
)  # fmt: skip
reads.refuse("its regions are rotated; ONNX knows upright ones only", "RoIAlignRotated")
reads.refuse("its regions depend on nothing but the size of the picture, by rules nobody wrote down", "RMACRegions")
reads.refuse(
    "it decodes a sequence step by step, for which ONNX has no operator; take its input as the output",
    "CTCBeamSearchDecoder", "CTCGreedyDecoder", "ViterbiPath", "SwapBestPath", "HSoftmax", "HSoftmaxSearch",
    "HuffmanTreeHierarchy",
)  # fmt: skip
reads.refuse(
    "it is a loss or a measure that serves training only: name the outputs for inference in the option 'outputs'",
    "APMeter", "BernoulliJSD", "CosineEmbeddingCriterion", "LambdaRankNdcg", "MakeTwoClass", "MarginRankingCriterion",
    "PairWiseLoss", "Perplexity", "SparseLpRegularizer", "WeightedSigmoidCrossEntropyWithLogits", "ClipTensorByScaling",
    "ScaleBlobs", "SparseNormalize", "Float16SparseNormalize", "SparseDropoutWithReplacement", "ChannelBackpropStats",
    "DropoutGrad", "WeightScale", "UnsafeCoalesce",
    "RowWiseSparseAdagradFusedWithSparseLengthsMeanGradientApprox",
    "RowWiseSparseAdagradFusedWithSparseLengthsSumGradientApprox",
    "RowWiseSparseAdagradFusedWithSparseLengthsWeightedSumGradientApprox",
    "SparseAdagradFusedWithSparseLengthsMeanGradientApprox", "SparseAdagradFusedWithSparseLengthsSumGradientApprox",
    "SparseAdagradFusedWithSparseLengthsWeightedSumGradientApprox", "rnn_internal_accumulate_gradient_input",
)  # fmt: skip
reads.refuse(
    "it collects statistics over many runs, which a model does not keep",
    "Accumulate", "AccumulateHistogram", "AveragePut", "ChannelStats", "BatchMoments", "Histogram", "IncrementPut",
    "LastNWindowCollector", "ReservoirSampling", "SelfBinningHistogram", "StatRegistryCreate", "StatRegistryExport",
    "StatRegistryUpdate", "StdDevPut", "RowWiseCounter", "RetrieveCount", "CountDown", "CountUp", "CreateCounter",
    "CheckCounterDone", "ResetCounter", "AtomicAppend", "AtomicFetchAdd", "AtomicFetchAdd64", "CheckAtomicBool",
    "ConditionalSetAtomicBool", "CreateAtomicBool", "CreateMutex", "GetGPUMemoryUsage", "WallClockTime",
)  # fmt: skip
reads.refuse(
    "it moves data between machines or processes",
    "Allgather", "Allreduce", "AsyncNetBarrier", "Barrier", "Broadcast", "CloneCommonWorld", "CreateCommonWorld",
    "DestroyCommonWorld", "FileStoreHandlerCreate", "NCCLAllGather", "NCCLAllreduce", "NCCLBroadcast", "NCCLReduce",
    "NCCLReduceScatter", "ReceiveTensor", "Reduce", "ReduceScatter", "SendTensor", "StoreAdd", "StoreGet", "StoreSet",
    "StoreWait",
)  # fmt: skip
reads.refuse(
    "it reads from or writes to queues, files and data sets, which a model does not have",
    "Append", "CheckDatasetConsistency", "CloseBlobsQueue", "CloseRebatchingQueue", "CollectTensor", "ComputeOffset",
    "ConcatTensorVector", "CopyRowsToTensor", "CreateBlobsQueue", "CreateBlobsQueueDB", "CreateRebatchingQueue",
    "CreateTensorVector", "CreateTreeCursor", "DBExists", "EnqueueBlobs", "EnqueueRebatchingQueue", "FeedBlob",
    "GetAllBlobNames", "GetCursorOffset", "Load", "PackRecords", "ReadRandomBatch", "ResetCursor", "SafeEnqueueBlobs",
    "SortAndShuffle", "TensorVectorSize", "TrimDataset", "UnPackRecords", "WeightedSampleDequeueBlobs", "DataCouple",
    "RemoveDataBlocks", "RecurrentNetworkBlobFetcher", "CreateScope", "HasScope", "rnn_internal_apply_link",
)  # fmt: skip
reads.refuse(
    "it keeps a table of keys that grows while the net runs",
    "CreateMap", "KeyValueToMap", "MapToKeyValue", "IndexFreeze", "IndexGet", "IndexHash", "IndexLoad", "IndexSize",
    "IndexStore", "IntIndexCreate", "LongIndexCreate", "KeySplit",
)  # fmt: skip
reads.refuse(
    "it prepares the features of a recommender in front of the model; take its results as inputs",
    "BatchBucketOneHot", "BatchBucketize", "BatchDenseToSparse", "DenseVectorToIdList", "FillExamplesWithIndicator",
    "GatherByKey", "IsMemberOf", "LengthsPartition", "LengthsSplit", "LengthsTopK", "MergeDenseFeatureTensors",
    "MergeIdLists", "MergeMultiListFeatureTensors", "MergeMultiMapFeatureTensors", "MergeMultiScalarFeatureTensors",
    "MergeSingleListFeatureTensors", "MergeSingleMapFeatureTensors", "MergeSingleScalarFeatureTensors",
    "PadEmptySamples", "Partition", "SparseLabelSplit", "WeightedMultiSampling", "WeightedSample", "SegmentOneHot",
    "StumpFuncIndex", "FindDuplicateElements", "GatherRangesToDense", "LengthsGather", "LengthsPad",
    "ConcatBatchMatMulBatchGatherOp",
)  # fmt: skip
reads.refuse(
    "it makes a table of few bits while the net runs; ONNX cannot take floats for bytes",
    "FloatToFused2BitFakeRowwiseQuantized", "FloatToFused2BitRowwiseQuantized", "FloatToFused4BitFakeRowwiseQuantized",
    "FloatToFused4BitRowwiseQuantized", "FloatToFused8BitRowwiseQuantized",
    "FloatToFused8BitRowwiseQuantizedHalfScaleBias", "FloatToFusedRandRowwiseQuantized", "FloatToRowwiseQuantized8Bits",
    "HalfFloatToFused8BitRowwiseQuantized", "HalfFloatToFused8BitRowwiseQuantizedHalfScaleBias",
    "HalfToFused2BitFakeRowwiseQuantized", "HalfToFused2BitRowwiseQuantized", "HalfToFused4BitFakeRowwiseQuantized",
    "HalfToFused4BitRowwiseQuantized",
)  # fmt: skip
reads.refuse(
    "its table is stored in a form that no published model uses",
    "Fused2BitRowwiseQuantizedToHalf", "Fused4BitRowwiseQuantizedToHalf", "Fused8BitRowwiseQuantizedToHalfFloat",
    "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", "Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat",
    "FusedRandRowwiseQuantizedToFloat", "SparseLengthsMean2BitRowwiseSparse", "SparseLengthsMean4BitRowwiseSparse",
    "SparseLengthsMean8BitRowwiseSparse", "SparseLengthsSum2BitRowwiseSparse", "SparseLengthsSum4BitRowwiseSparse",
    "SparseLengthsSum8BitRowwiseSparse", "SparseLengthsSumSparseLookup", "SparseLengthsWeightedSum2BitRowwiseSparse",
    "SparseLengthsWeightedSum4BitRowwiseSparse", "SparseLengthsWeightedSum8BitRowwiseSparse", "TT",
    "TTSparseLengthsSum", "ByteWeightDequant", "QuantDecode",
)  # fmt: skip
reads.refuse(
    "it packs weights for one processor; convert the net as it was before that",
    "Int8FCPackWeight", "FbGemmPackTranspose", "Int8GenQuantParams", "Onnxifi", "C10LayerNorm_DontUseThisOpYet",
)  # fmt: skip
reads.refuse("quantised regions exist in experiments only", "Int8RoIAlign")
reads.refuse(
    "it is the first or last step of a demo of style transfer, on packed pixels with noise",
    "BRGNCHWCToPackedInt8BGRAStylizerDeprocess", "PackedInt8BGRANHWCToNCHWCStylizerPreprocess",
)  # fmt: skip
reads.refuse(
    "it pads, turns or packs sequences of different lengths in a way that onnxhub does not read",
    "AddPadding", "RemovePadding", "GatherPadding", "PackRNNSequence", "UnpackRNNSequence", 
    "VariableLengthSequencePadding",  "BooleanMaskLengths", "BooleanUnmask", "FlexibleTopK",
    "DotProductWithPadding", "SinusoidPositionEncoding", "PiecewiseLinearTransform", "Scatter", "Conditional",
)  # fmt: skip
reads.refuse("ONNX has no quantiles", "BisectPercentile", "Percentile", "Quantile")
reads.refuse(
    "onnxhub does not read these reductions of segments",
    "SortedSegmentRangeLogMeanExp", "SortedSegmentRangeLogSumExp", "SortedSegmentRangeMax", "SortedSegmentRangeMean",
    "SortedSegmentRangeSum",
)  # fmt: skip
reads.refuse("it does nothing but fail", "Crash", "Fail", "LogFatal", "ThrowChildThreadException", "ThrowException")
reads.refuse(
    "no release of Caffe2 has an operator of this name; another tool wrote the file", "Embedding", "EmbeddingBag"
)
