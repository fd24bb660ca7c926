"""PIR's operators in the words of the old ones: one line each.

``add elementwise_add X Y > Out`` says that ``pd_op.add`` is ``elementwise_add`` with these operands and results in this
order; behind ``|`` stand the attributes that the old operator calls otherwise, ``old=new``. A name without an old
counterpart stands for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

_TABLE = """
abs abs X > Out
acos acos X > Out
acosh acosh X > Out
add elementwise_add X Y > Out
add_n sum X > Out
add_position_encoding add_position_encoding X > Out
addmm addmm Input X Y > Out | Alpha=alpha Beta=beta
affine_channel affine_channel X Scale Bias > Out
affine_grid affine_grid Theta OutputShape > Output
all reduce_all X > Out | dim=axis keep_dim=keepdim
amax reduce_amax X > Out | dim=axis keep_dim=keepdim
amin reduce_amin X > Out | dim=axis keep_dim=keepdim
anchor_generator anchor_generator Input > Anchors Variances
angle angle X > Out
any reduce_any X > Out | dim=axis keep_dim=keepdim
arange range Start End Step > Out
argmax arg_max X Axis > Out
argmin arg_min X Axis > Out
argsort argsort X > Out Indices
array_length lod_array_length X > Out
array_read read_from_array X I > Out
array_to_tensor tensor_array_to_tensor X > Out OutIndex
array_write write_to_array Array X I > Out
as_complex as_complex X > Out
as_real as_real X > Out
asin asin X > Out
asinh asinh X > Out
assign assign X > Out
assign_out assign X Output > Out
assign_value assign_value > Out
assign_value_ assign_value Output > Out
atan atan X > Out
atan2 atan2 X1 X2 > Out
atanh atanh X > Out
baddbmm baddbmm Input X Y > Out | Alpha=alpha Beta=beta
batch_norm batch_norm X Mean Variance Scale Bias > Y MeanOut VarianceOut SavedMean SavedVariance ReserveSpace | data_layout=data_format
bicubic_interp bicubic_interp_v2 X OutSize SizeTensor Scale > Out | data_layout=data_format
bilinear bilinear_tensor_product X Y Weight Bias > Out
bilinear_interp bilinear_interp_v2 X OutSize SizeTensor Scale > Out | data_layout=data_format
bincount bincount X Weights minlength > Out
bitwise_and bitwise_and X Y > Out
bitwise_not bitwise_not X > Out
bitwise_or bitwise_or X Y > Out
bitwise_xor bitwise_xor X Y > Out
bmm bmm X Y > Out
box_clip box_clip Input ImInfo > Output
box_coder box_coder PriorBox PriorBoxVar TargetBox > OutputBox
broadcast_tensors broadcast_tensors X > Out
cast cast X > Out | out_dtype=dtype
ceil ceil X > Out
celu celu X > Out
channel_shuffle channel_shuffle X > Out
clip clip X Min Max > Out
clip_by_norm clip_by_norm X > Out
collect_fpn_proposals collect_fpn_proposals MultiLevelRois MultiLevelScores MultiLevelRoIsNum > FpnRois RoisNum | post_nms_topN=post_nms_topn
complex complex X Y > Out
concat concat X AxisTensor > Out
conj conj X > Out
conv2d conv2d Input Filter > Output
conv2d_transpose conv2d_transpose Input Filter OutputSizeTensor > Output
conv2d_transpose_bias conv2d_transpose Input Filter Bias OutputSizeTensor > Output
conv3d conv3d Input Filter > Output
conv3d_transpose conv3d_transpose Input Filter > Output
copysign copysign X Y > Out
cos cos X > Out
cosh cosh X > Out
create_array create_array > Out
create_array_like create_array > Out
crf_decoding crf_decoding Emission Transition Label Length > ViterbiPath
crop crop_tensor X Shape Offsets > Out
cross cross X Y > Out | dim=axis
cross_entropy_with_softmax softmax_with_cross_entropy Logits Label > Softmax Loss
ctc_align ctc_align Input InputLength > Output OutputLength
cummax cummax X > out indices
cummin cummin X > out indices
cumprod cumprod X > Out
cumsum cumsum X AxisTensor > Out
deformable_conv deformable_conv Input Offset Filter Mask > Output
depthwise_conv2d depthwise_conv2d Input Filter > Output
depthwise_conv2d_bias depthwise_conv2d Input Filter Bias > Output
depthwise_conv2d_transpose depthwise_conv2d_transpose Input Filter OutputSizeTensor > Output
depthwise_conv3d_bias depthwise_conv3d Input Filter Bias > Output
dequantize_linear dequantize_linear X Scale ZeroPoint InAccum InState > Y OutState OutAccum OutScale
det determinant Input > Out
diag diag_v2 X > Out
diag_embed diag_embed Input > Out
diagonal diagonal Input > Out
digamma digamma X > Out
dist dist X Y > Out
distribute_fpn_proposals distribute_fpn_proposals FpnRois RoisNum > MultiFpnRois MultiLevelRoIsNum RestoreIndex
divide elementwise_div X Y > Out
dot dot X Y > Out
dropout dropout X Seed P > Out Mask | dropout_prob=p dropout_implementation=mode
einsum einsum Operands > Out InnerCache XShape
elementwise_pow elementwise_pow X Y > Out
elu elu X > Out
embedding lookup_table_v2 Ids W > Out
empty empty ShapeTensor > Out
empty_like empty_like X > Out
equal equal X Y > Out
equal_all equal_all X Y > Out
erf erf X > Out
exp exp X > Out
expand expand_v2 X Shape > Out
expand_as expand_as_v2 X Y > Out
expm1 expm1 X > Out
eye eye NumRows NumColumns > Out
fake_channel_wise_dequantize_max_abs fake_channel_wise_dequantize_max_abs X Scales > Out
fake_channel_wise_quantize_abs_max fake_channel_wise_quantize_abs_max X > Out OutScale
fake_channel_wise_quantize_dequantize_abs_max fake_channel_wise_quantize_dequantize_abs_max X > Out OutScale
fake_dequantize_max_abs fake_dequantize_max_abs X Scale > Out
fake_quantize_abs_max fake_quantize_abs_max X > Out OutScale
fake_quantize_dequantize_abs_max fake_quantize_dequantize_abs_max X > Out OutScale
fake_quantize_dequantize_moving_average_abs_max fake_quantize_dequantize_moving_average_abs_max X InScale InAccum InState > Out OutScale OutState OutAccum
fake_quantize_moving_average_abs_max fake_quantize_moving_average_abs_max X InScale InAccum InState > Out OutScale OutState OutAccum
fake_quantize_range_abs_max fake_quantize_range_abs_max X InScale Iter > Out OutScale OutScales
fc fc Input W Bias > Out
fft_c2c fft_c2c X > Out
fft_c2r fft_c2r X > Out
fft_r2c fft_r2c X > Out
fill_diagonal fill_diagonal X > Out
flash_attn flash_attn Q K V FixedSeedOffset AttnMask > Out Softmax SoftmaxLse SeedOffset
flatten flatten_contiguous_range X > Out XShape
flip flip X > Out
floor floor X > Out
floor_divide elementwise_floordiv X Y > Out
fmax elementwise_fmax X Y > Out
fmin elementwise_fmin X Y > Out
fold fold X > Y
frame frame X > Out
frobenius_norm frobenius_norm X Axis > Out | dim=axis
fsp fsp X Y > Out
full fill_constant > Out
full_batch_size_like fill_constant_batch_size_like Input > Out
full_int_array full_int_array > Out
full_like fill_any_like X Value > Out
full_with_tensor fill_constant ValueTensor ShapeTensor > Out
fused_bias_dropout_residual_layer_norm fused_bias_dropout_residual_layer_norm X Residual Bias LnScale LnBias > Y
fused_conv2d_add_act fused_conv2d_add_act Input Filter Bias ResidualData > Output Outputs
fused_dropout_add fused_dropout_add X Y SeedTensor > Out | dropout_prob=p dropout_implementation=mode
fused_elementwise_add fused_elementwise_add X Y > Out
fused_elementwise_div fused_elementwise_div X Y > Out
fused_elementwise_mul fused_elementwise_mul X Y > Out
fused_elementwise_sub fused_elementwise_sub X Y > Out
fused_embedding_eltwise_layernorm fused_embedding_eltwise_layernorm Ids Embs Bias Scale > Out
fused_fc_elementwise_layernorm fused_fc_elementwise_layernorm X W Y Bias0 Scale Bias1 > Out Mean Variance
fused_softmax_mask fused_softmax_mask X Mask > Out
fused_softmax_mask_upper_triangle fused_softmax_mask_upper_triangle X > Out
fusion_squared_mat_sub fusion_squared_mat_sub X Y > SquaredX SquaredY SquaredXY Out
fusion_transpose_flatten_concat fusion_transpose_flatten_concat X > Out
gather gather X Index Axis > Out
gather_nd gather_nd X Index > Out
gather_tree gather_tree Ids Parents > Out
gaussian gaussian_random ShapeTensor > Out
gelu gelu X > Out
gemm_epilogue gemm_epilogue Input W Bias > Out
generate_proposals generate_proposals_v2 Scores BboxDeltas ImShape Anchors Variances > RpnRois RpnRoiProbs RpnRoisNum | pre_nms_topN=pre_nms_top_n post_nms_topN=post_nms_top_n
greater_equal greater_equal X Y > Out
greater_than greater_than X Y > Out
grid_sample grid_sampler X Grid > Output
group_norm group_norm X Scale Bias > Y Mean Variance | data_layout=data_format
gru gru Input H0 Weight Bias > BatchGate BatchResetHiddenPrev BatchHidden Hidden
gru_unit gru_unit Input HiddenPrev Weight Bias > Gate ResetHiddenPrev Hidden
hardshrink hard_shrink X > Out
hardsigmoid hard_sigmoid X > Out
hardswish hard_swish X > Out
hardtanh brelu X > Out
heaviside elementwise_heaviside X Y > Out
histogram histogram X Weight > Out
im2sequence im2sequence X Y > Out
imag imag X > Out
increment increment X > Out | step=value
index_add index_add X Index AddValue > Out
index_put index_put X Indices Value > Out
index_sample index_sample X Index > Out
index_select index_select X Index > Out | dim=axis
instance_norm instance_norm X Scale Bias > Y SavedMean SavedVariance
inverse inverse Input > Output
is_empty is_empty X > Out
isclose isclose Input Other Rtol Atol > Out
isfinite isfinite_v2 X > Out
isinf isinf_v2 X > Out
isnan isnan_v2 X > Out
kron kron X Y > Out
kthvalue kthvalue X > Out Indices
label_smooth label_smooth X PriorDist > Out
layer_norm layer_norm X Scale Bias > Y Mean Variance
leaky_relu leaky_relu X > Out | alpha=negative_slope
legacy_matmul matmul X Y > Out | transpose_X=transpose_x transpose_Y=transpose_y
legacy_reshape reshape2 X Shape > Out
lerp lerp X Y Weight > Out
less_equal less_equal X Y > Out
less_than less_than X Y > Out
linear_interp linear_interp_v2 X OutSize SizeTensor Scale > Out | data_layout=data_format
linear_v2 linear_v2 Input Weight Bias > Out
linspace linspace Start Stop Num > Out
log log X > Out
log10 log10 X > Out
log1p log1p X > Out
log2 log2 X > Out
log_softmax log_softmax X > Out
logcumsumexp logcumsumexp X > Out
logical_and logical_and X Y > Out
logical_not logical_not X > Out
logical_or logical_or X Y > Out
logical_xor logical_xor X Y > Out
logit logit X > Out
logsigmoid logsigmoid X > Out
logspace logspace Start Stop Num Base > Out
logsumexp logsumexp X > Out
lookup_table lookup_table W Ids > Out
lp_pool2d lp_pool2d X > Out | ksize=kernel_size
lrn lrn X > Out MidOut
lstm lstm Input H0 C0 Weight Bias > Hidden Cell BatchGate BatchCellPreAct
masked_fill masked_fill X Mask Value > Out
masked_select masked_select X Mask > Y
matmul matmul_v2 X Y > Out | trans_x=transpose_x trans_y=transpose_y
matmul_with_flatten mul X Y > Out
matrix_nms matrix_nms BBoxes Scores > Out Index RoisNum
max reduce_max X AxisTensor > Out | dim=axis keep_dim=keepdim
max_pool2d_v2 max_pool2d_v2 X > Out SavedIdx | ksize=kernel_size
max_pool2d_with_index max_pool2d_with_index X > Out Mask | ksize=kernel_size
max_pool3d_with_index max_pool3d_with_index X > Out Mask | ksize=kernel_size
max_with_index max_with_index X > Out Indices
maximum elementwise_max X Y > Out
maxout maxout X > Out
mean reduce_mean X AxisTensor > Out | dim=axis keep_dim=keepdim
mean_all mean X > Out
median median X > Out MedianIndex
memcpy memcpy X > Out
memcpy_d2h memcpy_d2h X > Out
memcpy_h2d memcpy_h2d X > Out
memory_efficient_attention memory_efficient_attention Query Key Value Bias > Output Logsumexp SeedAndOffset
meshgrid meshgrid X > Out
min reduce_min X AxisTensor > Out | dim=axis keep_dim=keepdim
min_with_index min_with_index X > Out Indices
minimum elementwise_min X Y > Out
mish mish X > Out
mode mode X > Out Indices
moving_average_abs_max_scale moving_average_abs_max_scale X InAccum InState > Out OutScale
multi_dot multi_dot X > Out
multiclass_nms3 multiclass_nms3 BBoxes Scores RoisNum > Out Index NmsRoisNum
multihead_matmul multihead_matmul Input W Bias BiasQK > Out
multiplex multiplex X Ids > Out
multiply elementwise_mul X Y > Out
mv mv X Vec > Out
nearest_interp nearest_interp_v2 X OutSize SizeTensor Scale > Out | data_layout=data_format
nms nms Boxes > KeepBoxesIdxs
nonzero where_index Condition > Out
norm norm X > Out Norm
not_equal not_equal X Y > Out
numel size Input > Out
one_hot one_hot_v2 X depth_tensor > Out
ones fill_constant > Out
ones_like ones_like X > Out
overlap_add overlap_add X > Out
p_norm p_norm X > Out
pad pad X PadValue > Out
pad3d pad3d X Paddings > Out | value=pad_value
pixel_shuffle pixel_shuffle X > Out
pixel_unshuffle pixel_unshuffle X > Out
pool2d pool2d X KernelSize > Out | ksize=kernel_size
pool3d pool3d X > Out | ksize=kernel_size
pow pow X > Out | factor=y
prelu prelu X Alpha > Out
print print In > Out
prior_box prior_box Input Image > Boxes Variances
prod reduce_prod X AxisTensor > Out | dim=axis keep_dim=keepdim
psroi_pool psroi_pool X ROIs RoisNum > Out
put_along_axis put_along_axis Input Index Value > Result | Axis=axis Reduce=reduce
quantize_linear quantize_linear X Scale ZeroPoint InAccum InState > Y OutState OutAccum OutScale
real real X > Out
reciprocal reciprocal X > Out
relu relu X > Out
relu6 relu6 X > Out
remainder elementwise_mod X Y > Out
repeat_interleave repeat_interleave X > Out | Repeats=repeats dim=axis
repeat_interleave_with_tensor_index repeat_interleave X RepeatsTensor > Out | dim=axis
reshape reshape2 X Shape > Out XShape
reverse reverse X AxisTensor > Out
rms_norm rms_norm X Scale > Y InvVar
rnn rnn Input PreState WeightList SequenceLength DropoutStateIn > Out DropoutStateOut State Reserve
roi_align roi_align X ROIs RoisNum > Out
roi_pool roi_pool X ROIs RoisNum > Out Argmax
roll roll X ShiftsTensor > Out
round round X > Out
rrelu rrelu X > Out Noise
rsqrt rsqrt X > Out
scale scale X ScaleTensor > Out
scatter scatter X Ids Updates > Out
scatter_nd_add scatter_nd_add X Index Updates > Out
searchsorted searchsorted SortedSequence Values > Out
segment_pool segment_pool X SegmentIds > Out SummedIds
selu selu X > Out
send_u_recv graph_send_recv X Src_index Dst_index Out_size > Out Dst_count
send_ue_recv graph_send_ue_recv X Y Src_index Dst_index Out_size > Out Dst_count
send_uv graph_send_uv x y src_index dst_index > out
sequence_conv sequence_conv X PaddingData Filter > Out | contextLength=context_length contextStart=context_start contextStride=context_stride
sequence_expand sequence_expand X Y > Out
sequence_mask sequence_mask X MaxLenTensor > Y | maxlen=max_len
sequence_pool sequence_pool X > Out MaxIndex
sequence_softmax sequence_softmax X > Out
set_value set_value Input StartsTensor EndsTensor StepsTensor > Out
set_value_with_tensor set_value Input ValueTensor StartsTensor EndsTensor StepsTensor > Out
shape shape Input > Out
shape64 shape64 Input > Out
shard_index shard_index X > Out
share_data share_data X > Out
shuffle_channel shuffle_channel X > Out
sigmoid sigmoid X > Out
sign sign X > Out
silu silu X > Out
sin sin X > Out
sinh sinh X > Out
skip_layernorm skip_layernorm X Y Scale Bias > Out
slice slice Input StartsTensor EndsTensor > Out
softmax softmax X > Out
softplus softplus X > Out
softshrink softshrink X > Out | lambda=threshold
softsign softsign X > Out
split split X SectionsTensor AxisTensor > Out
split_with_num split X AxisTensor > Out
sqrt sqrt X > Out
square square X > Out
squared_l2_norm squared_l2_norm X > Out
squeeze squeeze2 X AxesTensor > Out XShape | axes=axis
stack stack X > Y
stanh stanh X > Out
std std X > Out | dim=axis keep_dim=keepdim
stft stft X Window > Out
strided_slice strided_slice Input StartsTensor EndsTensor StridesTensor > Out
subtract elementwise_sub X Y > Out
sum reduce_sum X AxisTensor > Out | dim=axis keep_dim=keepdim
swiglu swiglu X Y > Out
swish swish X > Out
sync_batch_norm batch_norm X Mean Variance Scale Bias > Y MeanOut VarianceOut SavedMean SavedVariance ReserveSpace | data_layout=data_format
take_along_axis take_along_axis Input Index > Result | Axis=axis
tan tan X > Out
tanh tanh X > Out
tanh_shrink tanh_shrink X > Out
temporal_shift temporal_shift X > Out
thresholded_relu thresholded_relu X > Out
tile tile X RepeatTimes > Out
topk top_k_v2 X K > Out Indices
trace trace Input > Out
transpose transpose2 X > Out XShape | axis=perm
tril tril X > Out
tril_indices tril_indices > out
trilinear_interp trilinear_interp_v2 X OutSize SizeTensor Scale > Out | data_layout=data_format
triu triu X > Out
triu_indices triu_indices > out
trunc trunc X > Out
trunc_divide trunc_divide X Y > Out
unbind unbind X > Out
unfold unfold X > Y
uniform uniform_random ShapeTensor MinTensor MaxTensor > Out
unique unique X > Out Indices Index Counts
unique_consecutive unique_consecutive X > Out Index Counts
unpool unpool X Indices OutputSizeTensor > Out
unsqueeze unsqueeze2 X AxesTensor > Out XShape | axes=axis
unstack unstack X > Y
var var X > Out | dim=axis keep_dim=keepdim
variance variance X > Out | dim=axis keep_dim=keepdim
view_dtype view_dtype X > Out
view_shape view_shape X > Out
viterbi_decode viterbi_decode Input Transition Length > Scores Path
where where Condition X Y > Out
write_to_array write_to_array I X > Out
yolo_box yolo_box X ImgSize > Boxes Scores
zeros fill_constant > Out
zeros_like fill_zeros_like X > Out
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Signature:
    """``attrs``: the old attribute's name by the new one."""

    type: str
    operands: tuple[str, ...]
    results: tuple[str, ...]
    attrs: dict[str, str]


def _parsed(line: str) -> tuple[str, Signature]:
    front, _, renames = line.partition("|")
    left, _, right = front.partition(">")
    name, type_, *operands = left.split()
    attrs = {new: old for old, _, new in (pair.partition("=") for pair in renames.split())}
    return name, Signature(type_, tuple(operands), tuple(right.split()), attrs)


SIGNATURES: dict[str, Signature] = dict(_parsed(line) for line in _TABLE.strip().splitlines())


def signature_of(name: str) -> Signature | None:
    """Of ``pd_op.<name>``; ``relu_`` is ``relu`` in place, which is no difference here."""
    found = SIGNATURES.get(name)
    return found if found is not None or not name.endswith("_") else SIGNATURES.get(name[:-1])
