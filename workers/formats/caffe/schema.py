"""The messages of Caffe's files as tables: BVLC 1.0, the 2014 (V1) and 2013 (V0) generations, the SSD and other forks.

Forks gave numbers from 145 on to messages of their own; those are marked ``ambiguous``, and a layer's ``type`` says
which of them its record carries (``PARAMETER_OF``). In text files the field's name decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.inspect.schema import Field, Message, Schema

PARAMETER_OF: dict[str, str] = {
    "Parameter": "parameter_param",
    "ShuffleChannel": "shuffle_channel_param",
    "RNN": "recurrent_param",
    "LSTM": "recurrent_param",
    "Swish": "swish_param",
    "Reorg": "reorg_param",
    "Clip": "clip_param",
    "ROIAlign": "roi_align_param",
    "PSROIPooling": "psroi_pooling_param",
    "Upsample": "upsample_param",
    "AnnotatedData": "annotated_data_param",
    "Permute": "permute_param",
    "PriorBox": "prior_box_param",
    "DetectionOutput": "detection_output_param",
    "Interp": "interp_param",
    "Normalize": "norm_param",
    "ReLU6": "relu6_param",
}

_TEXT = """
enum Phase { TRAIN = 0; TEST = 1; }
message BlobShape { repeated int64 dim = 1 [packed = true]; }
message BlobProto {
  int32 num = 1; int32 channels = 2; int32 height = 3; int32 width = 4;
  repeated float data = 5 [packed = true]; repeated float diff = 6 [packed = true]; BlobShape shape = 7;
  repeated double double_data = 8 [packed = true]; repeated double double_diff = 9 [packed = true];
  enum RawType { DOUBLE = 0; FLOAT = 1; FLOAT16 = 2; INT = 3; UINT = 4; }
  RawType raw_data_type = 10; RawType raw_diff_type = 11; bytes raw_data = 12; bytes raw_diff = 13;
}
message FillerParameter {
  string type = 1 [default = "constant"]; float value = 2; float min = 3; float max = 4 [default = 1]; float mean = 5;
  float std = 6 [default = 1]; int32 sparse = 7 [default = -1];
  enum VarianceNorm { FAN_IN = 0; FAN_OUT = 1; AVERAGE = 2; } VarianceNorm variance_norm = 8;
}
message NetState { Phase phase = 1 [default = TEST]; int32 level = 2; repeated string stage = 3; }
message NetStateRule {
  Phase phase = 1; int32 min_level = 2; int32 max_level = 3; repeated string stage = 4; repeated string not_stage = 5;
}
message NetParameter {
  string name = 1; repeated V1LayerParameter layers = 2; repeated string input = 3; repeated int32 input_dim = 4;
  bool force_backward = 5; NetState state = 6; bool debug_info = 7; repeated BlobShape input_shape = 8;
  repeated LayerParameter layer = 100;
}
message SolverState {
  int32 iter = 1; string learned_net = 2; repeated BlobProto history = 3; int32 current_step = 4;
}
message ParamSpec {
  string name = 1; enum DimCheckMode { STRICT = 0; PERMISSIVE = 1; } DimCheckMode share_mode = 2;
  float lr_mult = 3 [default = 1]; float decay_mult = 4 [default = 1];
}
message LayerParameter {
  string name = 1; string type = 2; repeated string bottom = 3; repeated string top = 4;
  repeated float loss_weight = 5; repeated ParamSpec param = 6; repeated BlobProto blobs = 7;
  repeated NetStateRule include = 8; repeated NetStateRule exclude = 9; Phase phase = 10;
  repeated bool propagate_down = 11;
  TransformationParameter transform_param = 100; LossParameter loss_param = 101;
  AccuracyParameter accuracy_param = 102; ArgMaxParameter argmax_param = 103; ConcatParameter concat_param = 104;
  ConvolutionParameter convolution_param = 106; DataParameter data_param = 107; DropoutParameter dropout_param = 108;
  DummyDataParameter dummy_data_param = 109; EltwiseParameter eltwise_param = 110; ExpParameter exp_param = 111;
  HDF5DataParameter hdf5_data_param = 112; HDF5OutputParameter hdf5_output_param = 113;
  ImageDataParameter image_data_param = 115; InnerProductParameter inner_product_param = 117;
  LRNParameter lrn_param = 118; MemoryDataParameter memory_data_param = 119; MVNParameter mvn_param = 120;
  PoolingParameter pooling_param = 121; PowerParameter power_param = 122; ReLUParameter relu_param = 123;
  SigmoidParameter sigmoid_param = 124; SoftmaxParameter softmax_param = 125; SliceParameter slice_param = 126;
  TanHParameter tanh_param = 127; ThresholdParameter threshold_param = 128;
  WindowDataParameter window_data_param = 129; PythonParameter python_param = 130; PReLUParameter prelu_param = 131;
  SPPParameter spp_param = 132; ReshapeParameter reshape_param = 133; LogParameter log_param = 134;
  FlattenParameter flatten_param = 135; ReductionParameter reduction_param = 136; EmbedParameter embed_param = 137;
  TileParameter tile_param = 138; BatchNormParameter batch_norm_param = 139; ELUParameter elu_param = 140;
  BiasParameter bias_param = 141; ScaleParameter scale_param = 142; InputParameter input_param = 143;
  CropParameter crop_param = 144;
  ContrastiveLossParameter contrastive_loss_param = 105; HingeLossParameter hinge_loss_param = 114;
  InfogainLossParameter infogain_loss_param = 116;
  ParameterParameter parameter_param = 145 [ambiguous = true];
  ShuffleChannelParameter shuffle_channel_param = 145 [ambiguous = true];
  RecurrentParameter recurrent_param = 146 [ambiguous = true];
  SwishParameter swish_param = 147 [ambiguous = true]; ReorgParameter reorg_param = 147 [ambiguous = true];
  ClipParameter clip_param = 148 [ambiguous = true]; ROIAlignParameter roi_align_param = 148 [ambiguous = true];
  PSROIPoolingParameter psroi_pooling_param = 149 [ambiguous = true];
  UpsampleParameter upsample_param = 149 [ambiguous = true];
  AnnotatedDataParameter annotated_data_param = 200 [ambiguous = true];
  PermuteParameter permute_param = 202 [ambiguous = true]; PriorBoxParameter prior_box_param = 203 [ambiguous = true];
  DetectionOutputParameter detection_output_param = 204 [ambiguous = true];
  InterpParameter interp_param = 205 [ambiguous = true]; NormalizeParameter norm_param = 206 [ambiguous = true];
  ReLU6Parameter relu6_param = 216 [ambiguous = true]; BNParameter bn_param = 45 [ambiguous = true];
  ROIPoolingParameter roi_pooling_param = 8266711;
}
message TransformationParameter {
  float scale = 1 [default = 1]; bool mirror = 2; uint32 crop_size = 3; string mean_file = 4;
  repeated float mean_value = 5; bool force_color = 6; bool force_gray = 7;
}
message LossParameter {
  int32 ignore_label = 1; bool normalize = 2; enum Mode { FULL = 0; VALID = 1; BATCH_SIZE = 2; NONE = 3; }
  Mode normalization = 3 [default = VALID];
}
message AccuracyParameter { uint32 top_k = 1 [default = 1]; int32 axis = 2 [default = 1]; int32 ignore_label = 3; }
message ArgMaxParameter { bool out_max_val = 1; uint32 top_k = 2 [default = 1]; int32 axis = 3; }
message ConcatParameter { uint32 concat_dim = 1 [default = 1]; int32 axis = 2 [default = 1]; }
message BatchNormParameter {
  bool use_global_stats = 1; float moving_average_fraction = 2 [default = 0.999]; float eps = 3 [default = 1e-5];
}
message BiasParameter { int32 axis = 1 [default = 1]; int32 num_axes = 2 [default = 1]; FillerParameter filler = 3; }
message ConvolutionParameter {
  uint32 num_output = 1; bool bias_term = 2 [default = true]; repeated uint32 pad = 3; repeated uint32 kernel_size = 4;
  uint32 group = 5 [default = 1]; repeated uint32 stride = 6; FillerParameter weight_filler = 7;
  FillerParameter bias_filler = 8; uint32 pad_h = 9; uint32 pad_w = 10; uint32 kernel_h = 11; uint32 kernel_w = 12;
  uint32 stride_h = 13; uint32 stride_w = 14; Engine engine = 15; int32 axis = 16 [default = 1];
  bool force_nd_im2col = 17; repeated uint32 dilation = 18;
}
enum Engine { DEFAULT = 0; CAFFE = 1; CUDNN = 2; }
message CropParameter { int32 axis = 1 [default = 2]; repeated uint32 offset = 2; }
message DataParameter {
  string source = 1; float scale = 2 [default = 1]; string mean_file = 3; uint32 batch_size = 4; uint32 crop_size = 5;
  bool mirror = 6; uint32 rand_skip = 7; enum DB { LEVELDB = 0; LMDB = 1; } DB backend = 8;
  bool force_encoded_color = 9; uint32 prefetch = 10 [default = 4];
}
message DropoutParameter { float dropout_ratio = 1 [default = 0.5]; }
message DummyDataParameter {
  repeated FillerParameter data_filler = 1; repeated uint32 num = 2; repeated uint32 channels = 3;
  repeated uint32 height = 4; repeated uint32 width = 5; repeated BlobShape shape = 6;
}
message EltwiseParameter {
  enum EltwiseOp { PROD = 0; SUM = 1; MAX = 2; } EltwiseOp operation = 1 [default = SUM]; repeated float coeff = 2;
  bool stable_prod_grad = 3 [default = true];
}
message ELUParameter { float alpha = 1 [default = 1]; }
message EmbedParameter {
  uint32 num_output = 1; uint32 input_dim = 2; bool bias_term = 3 [default = true]; FillerParameter weight_filler = 4;
  FillerParameter bias_filler = 5;
}
message ExpParameter { float base = 1 [default = -1.0]; float scale = 2 [default = 1.0]; float shift = 3; }
message FlattenParameter { int32 axis = 1 [default = 1]; int32 end_axis = 2 [default = -1]; }
message HDF5DataParameter { string source = 1; uint32 batch_size = 2; bool shuffle = 3; }
message HDF5OutputParameter { string file_name = 1; }
message ContrastiveLossParameter { float margin = 1 [default = 1.0]; bool legacy_version = 2; }
message HingeLossParameter { enum Norm { L1 = 1; L2 = 2; } Norm norm = 1; }
message InfogainLossParameter { string source = 1; int32 axis = 2 [default = 1]; }
message ImageDataParameter {
  string source = 1; float scale = 2 [default = 1]; string mean_file = 3; uint32 batch_size = 4 [default = 1];
  uint32 crop_size = 5; bool mirror = 6; uint32 rand_skip = 7; bool shuffle = 8; uint32 new_height = 9;
  uint32 new_width = 10; bool is_color = 11 [default = true]; string root_folder = 12;
}
message InnerProductParameter {
  uint32 num_output = 1; bool bias_term = 2 [default = true]; FillerParameter weight_filler = 3;
  FillerParameter bias_filler = 4; int32 axis = 5 [default = 1]; bool transpose = 6;
}
message InputParameter { repeated BlobShape shape = 1; }
message LogParameter { float base = 1 [default = -1.0]; float scale = 2 [default = 1.0]; float shift = 3; }
message LRNParameter {
  uint32 local_size = 1 [default = 5]; float alpha = 2 [default = 1.0]; float beta = 3 [default = 0.75];
  enum NormRegion { ACROSS_CHANNELS = 0; WITHIN_CHANNEL = 1; } NormRegion norm_region = 4;
  float k = 5 [default = 1.0]; Engine engine = 6;
}
message MemoryDataParameter { uint32 batch_size = 1; uint32 channels = 2; uint32 height = 3; uint32 width = 4; }
message MVNParameter {
  bool normalize_variance = 1 [default = true]; bool across_channels = 2; float eps = 3 [default = 1e-9];
}
message ParameterParameter { BlobShape shape = 1; }
enum PoolMethod { MAX = 0; AVE = 1; STOCHASTIC = 2; }
message PoolingParameter {
  PoolMethod pool = 1; uint32 kernel_size = 2; uint32 stride = 3 [default = 1]; uint32 pad = 4; uint32 kernel_h = 5;
  uint32 kernel_w = 6; uint32 stride_h = 7; uint32 stride_w = 8; uint32 pad_h = 9; uint32 pad_w = 10;
  Engine engine = 11; bool global_pooling = 12; enum RoundMode { CEIL = 0; FLOOR = 1; } RoundMode round_mode = 13;
}
message PowerParameter { float power = 1 [default = 1.0]; float scale = 2 [default = 1.0]; float shift = 3; }
message PythonParameter { string module = 1; string layer = 2; string param_str = 3; bool share_in_parallel = 4; }
message RecurrentParameter {
  uint32 num_output = 1; FillerParameter weight_filler = 2; FillerParameter bias_filler = 3; bool debug_info = 4;
  bool expose_hidden = 5;
}
message ReductionParameter {
  enum ReductionOp { SUM = 1; ASUM = 2; SUMSQ = 3; MEAN = 4; } ReductionOp operation = 1; int32 axis = 2;
  float coeff = 3 [default = 1.0];
}
message ReLUParameter { float negative_slope = 1; Engine engine = 2; }
message ReshapeParameter { BlobShape shape = 1; int32 axis = 2; int32 num_axes = 3 [default = -1]; }
message ScaleParameter {
  int32 axis = 1 [default = 1]; int32 num_axes = 2 [default = 1]; FillerParameter filler = 3; bool bias_term = 4;
  FillerParameter bias_filler = 5;
}
message SigmoidParameter { Engine engine = 1; }
message SliceParameter {
  uint32 slice_dim = 1 [default = 1]; repeated uint32 slice_point = 2; int32 axis = 3 [default = 1];
}
message SoftmaxParameter { Engine engine = 1; int32 axis = 2 [default = 1]; }
message TanHParameter { Engine engine = 1; }
message TileParameter { int32 axis = 1 [default = 1]; int32 tiles = 2; }
message ThresholdParameter { float threshold = 1; }
message WindowDataParameter {
  string source = 1; float scale = 2 [default = 1]; string mean_file = 3; uint32 batch_size = 4; uint32 crop_size = 5;
  bool mirror = 6; float fg_threshold = 7 [default = 0.5]; float bg_threshold = 8 [default = 0.5];
  float fg_fraction = 9 [default = 0.25]; uint32 context_pad = 10; string crop_mode = 11; bool cache_images = 12;
  string root_folder = 13;
}
message SPPParameter { uint32 pyramid_height = 1; PoolMethod pool = 2; Engine engine = 6; }
message PReLUParameter { FillerParameter filler = 1; bool channel_shared = 2; }
message SwishParameter { float beta = 1 [default = 1]; }
message ClipParameter { float min = 1; float max = 2; }

message AnnotatedDataParameter { string label_map_file = 2; }
message PermuteParameter { repeated uint32 order = 1; }
message NormalizeParameter {
  bool across_spatial = 1 [default = true]; FillerParameter scale_filler = 2; bool channel_shared = 3 [default = true];
  float eps = 4 [default = 1e-10];
}
message PriorBoxParameter {
  repeated float min_size = 1; repeated float max_size = 2; repeated float aspect_ratio = 3;
  bool flip = 4 [default = true]; bool clip = 5; repeated float variance = 6; uint32 img_size = 7; uint32 img_h = 8;
  uint32 img_w = 9; float step = 10; float step_h = 11; float step_w = 12; float offset = 13 [default = 0.5];
}
message NonMaximumSuppressionParameter {
  float nms_threshold = 1 [default = 0.3]; int32 top_k = 2; float eta = 3 [default = 1.0];
}
message DetectionOutputParameter {
  uint32 num_classes = 1; bool share_location = 2 [default = true]; int32 background_label_id = 3;
  NonMaximumSuppressionParameter nms_param = 4;
  enum CodeType { CORNER = 1; CENTER_SIZE = 2; CORNER_SIZE = 3; } CodeType code_type = 6;
  bool variance_encoded_in_target = 8; int32 keep_top_k = 7 [default = -1]; float confidence_threshold = 9;
}

message ReLU6Parameter { float n = 1 [default = 6]; }
message InterpParameter {
  int32 height = 1; int32 width = 2; int32 zoom_factor = 3 [default = 1]; int32 shrink_factor = 4 [default = 1];
  int32 pad_beg = 5; int32 pad_end = 6;
}
message UpsampleParameter {
  uint32 scale = 1; uint32 scale_h = 2; uint32 scale_w = 3; bool pad_out_h = 4; bool pad_out_w = 5;
  uint32 upsample_h = 6; uint32 upsample_w = 7;
}
message ShuffleChannelParameter { uint32 group = 1; }
message ReorgParameter { uint32 stride = 1; bool reverse = 2; }
message ROIAlignParameter { uint32 pooled_h = 1; uint32 pooled_w = 2; float spatial_scale = 3 [default = 1]; }
message PSROIPoolingParameter { float spatial_scale = 1; int32 output_dim = 2; int32 group_size = 3; }
message ROIPoolingParameter { uint32 pooled_h = 1; uint32 pooled_w = 2; float spatial_scale = 3 [default = 1]; }
message BNParameter {
  FillerParameter slope_filler = 1; FillerParameter bias_filler = 2; float momentum = 3 [default = 0.9];
  float eps = 4 [default = 1e-5]; bool frozen = 5; Engine engine = 6;
  enum BNMode { LEARN = 0; INFERENCE = 1; } BNMode bn_mode = 7;
}

message V1LayerParameter {
  V0LayerParameter layer = 1; repeated string bottom = 2; repeated string top = 3; string name = 4;
  enum V1LayerType {
    NONE = 0; ACCURACY = 1; BNLL = 2; CONCAT = 3; CONVOLUTION = 4; DATA = 5; DROPOUT = 6; EUCLIDEAN_LOSS = 7;
    FLATTEN = 8; HDF5_DATA = 9; HDF5_OUTPUT = 10; IM2COL = 11; IMAGE_DATA = 12; INFOGAIN_LOSS = 13; INNER_PRODUCT = 14;
    LRN = 15; MULTINOMIAL_LOGISTIC_LOSS = 16; POOLING = 17; RELU = 18; SIGMOID = 19; SOFTMAX = 20; SOFTMAX_LOSS = 21;
    SPLIT = 22; TANH = 23; WINDOW_DATA = 24; ELTWISE = 25; POWER = 26; SIGMOID_CROSS_ENTROPY_LOSS = 27;
    HINGE_LOSS = 28; MEMORY_DATA = 29; ARGMAX = 30; THRESHOLD = 31; DUMMY_DATA = 32; SLICE = 33; MVN = 34; ABSVAL = 35;
    SILENCE = 36; CONTRASTIVE_LOSS = 37; EXP = 38; DECONVOLUTION = 39;
  }
  V1LayerType type = 5; repeated BlobProto blobs = 6; repeated float blobs_lr = 7; repeated float weight_decay = 8;
  ConcatParameter concat_param = 9; ConvolutionParameter convolution_param = 10; DataParameter data_param = 11;
  DropoutParameter dropout_param = 12; HDF5DataParameter hdf5_data_param = 13;
  HDF5OutputParameter hdf5_output_param = 14; ImageDataParameter image_data_param = 15;
  InfogainLossParameter infogain_loss_param = 16; InnerProductParameter inner_product_param = 17;
  LRNParameter lrn_param = 18; PoolingParameter pooling_param = 19; WindowDataParameter window_data_param = 20;
  PowerParameter power_param = 21; MemoryDataParameter memory_data_param = 22; ArgMaxParameter argmax_param = 23;
  EltwiseParameter eltwise_param = 24; ThresholdParameter threshold_param = 25;
  DummyDataParameter dummy_data_param = 26; AccuracyParameter accuracy_param = 27;
  HingeLossParameter hinge_loss_param = 29; ReLUParameter relu_param = 30; SliceParameter slice_param = 31;
  repeated NetStateRule include = 32; repeated NetStateRule exclude = 33; MVNParameter mvn_param = 34;
  repeated float loss_weight = 35; TransformationParameter transform_param = 36; TanHParameter tanh_param = 37;
  SigmoidParameter sigmoid_param = 38; SoftmaxParameter softmax_param = 39;
  ContrastiveLossParameter contrastive_loss_param = 40; ExpParameter exp_param = 41; LossParameter loss_param = 42;
  repeated string param = 1001;
  enum DimCheckModeV1 { STRICT = 0; PERMISSIVE = 1; } repeated DimCheckModeV1 blob_share_mode = 1002;
}
message V0LayerParameter {
  string name = 1; string type = 2; uint32 num_output = 3; bool biasterm = 4 [default = true];
  FillerParameter weight_filler = 5; FillerParameter bias_filler = 6; uint32 pad = 7; uint32 kernelsize = 8;
  uint32 group = 9 [default = 1]; uint32 stride = 10 [default = 1]; PoolMethod pool = 11;
  float dropout_ratio = 12 [default = 0.5]; uint32 local_size = 13 [default = 5]; float alpha = 14 [default = 1];
  float beta = 15 [default = 0.75]; string source = 16; float scale = 17 [default = 1]; string meanfile = 18;
  uint32 batchsize = 19; uint32 cropsize = 20; bool mirror = 21; float k = 22 [default = 1];
  repeated BlobProto blobs = 50; repeated float blobs_lr = 51; repeated float weight_decay = 52; uint32 rand_skip = 53;
  float det_fg_threshold = 54 [default = 0.5]; float det_bg_threshold = 55 [default = 0.5];
  float det_fg_fraction = 56 [default = 0.25]; uint32 det_context_pad = 58; string det_crop_mode = 59;
  int32 new_num = 60; int32 new_channels = 61; int32 new_height = 62; int32 new_width = 63; bool shuffle_images = 64;
  uint32 concat_dim = 65 [default = 1]; HDF5OutputParameter hdf5_output_param = 1001;
}
message SolverParameter {
  string train_net = 1; repeated string test_net = 2; float base_lr = 5; int32 max_iter = 7; string lr_policy = 8;
  string net = 24; NetParameter net_param = 25;
}
"""


def _by_type(layer: Message, candidates: Sequence[Field]) -> Field | None:
    wanted = "bn_param" if layer.type.startswith("BN") and layer.type != "BNLL" else PARAMETER_OF.get(layer.type)
    return next((field for field in candidates if field.name == wanted), None)


SCHEMA = Schema(_TEXT, resolve={"LayerParameter": _by_type})
NET = SCHEMA["NetParameter"]
LAYER = SCHEMA["LayerParameter"]
BLOB = SCHEMA["BlobProto"]
SOLVER = SCHEMA["SolverParameter"]
SOLVER_STATE = SCHEMA["SolverState"]
