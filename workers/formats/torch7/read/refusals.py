"""Classes that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.torch7.read.layer import flows

flows.refuse(
    "it draws its windows at random at inference as well",
    "nn.SpatialFractionalMaxPooling", "nn.VolumetricFractionalMaxPooling",
)  # fmt: skip
flows.refuse(
    "it draws samples, or decides at random where to look next",
    "nn.Reinforce", "nn.ReinforceBernoulli", "nn.ReinforceCategorical", "nn.ReinforceGamma", "nn.ReinforceNormal",
    "nn.RecurrentAttention", "nn.SpatialGlimpse", "nn.StochasticTransfer", "nn.Sampler", "nn.GaussianSampler",
)  # fmt: skip
flows.refuse(
    "it takes tables of keys and values, sparse vectors of no fixed size, for which ONNX has no layer",
    "nn.IndexLinear",
)  # fmt: skip
flows.refuse("its output has as many elements as the mask says, one vector for the whole batch", "nn.MaskedSelect")
flows.refuse("it computes the columns that were chosen for the last batch of training", "nn.PartialLinear")
flows.refuse(
    "it trains a network and is none: save its field 'module' alone",
    "nn.StochasticGradient",
)  # fmt: skip
flows.refuse("it is the class that all modules descend from and computes nothing", "nn.Module")
flows.refuse(
    "it measures a loss, which serves training only",
    "nn.L1Cost", "nn.CriterionTable", "nn.ModuleCriterion", "nn.AbsCriterion", "nn.BCECriterion",
    "nn.ClassNLLCriterion", "nn.ClassSimplexCriterion", "nn.CosineEmbeddingCriterion", "nn.Criterion",
    "nn.CrossEntropyCriterion", "nn.DistKLDivCriterion", "nn.DistanceRatioCriterion", "nn.HingeEmbeddingCriterion",
    "nn.L1HingeEmbeddingCriterion", "nn.MSECriterion", "nn.MarginCriterion", "nn.MarginRankingCriterion",
    "nn.MultiCriterion", "nn.MultiLabelMarginCriterion", "nn.MultiLabelSoftMarginCriterion", "nn.MultiMarginCriterion",
    "nn.ParallelCriterion", "nn.SmoothL1Criterion", "nn.SoftMarginCriterion", "nn.SpatialAutoCropMSECriterion",
    "nn.SpatialClassNLLCriterion", "nn.WeightedMSECriterion", "nn.SequencerCriterion", "nn.RepeaterCriterion",
    "nn.MaskZeroCriterion", "cudnn.SpatialCrossEntropyCriterion", "cudnn.VolumetricCrossEntropyCriterion",
)  # fmt: skip
flows.refuse(
    "it samples an image at the places of a grid: convert the network as it was exported by a newer framework",
    "nn.BilinearSamplerBHWD", "nn.AffineGridGeneratorBHWD", "nn.SpatialGridSamplerBilinear",
)  # fmt: skip
