-- Builds one small network a module (or a variant of it), saves it, runs it and saves what went in and came out.
-- luajit record_operators.lua FOLDER; needs Lua Torch with torch, nn, nngraph and Element-Research's dpnn and rnn.
require 'torch'
require 'nn'
require 'nngraph'
local has_rnn = pcall(require, 'rnn')
torch.setdefaulttensortype('torch.FloatTensor')
torch.manualSeed(7)
local folder = arg[1]

local function rand(...) return torch.FloatTensor(...):normal() end
local function positive(...) return torch.FloatTensor(...):uniform(0.1, 2) end
local function whole(high, ...) return torch.LongTensor(...):random(1, high) end
local function seq(...) local s = nn.Sequential(); for _, m in ipairs({...}) do s:add(m) end; return s end
local function filled(container, ...) for _, m in ipairs({...}) do container:add(m) end; return container end
local function norm(m) m.running_mean:normal(); m.running_var:uniform(0.5, 2); if m.weight then m.weight:normal() end; if m.bias then m.bias:normal() end; return m end
local function with(m, fields) for k, v in pairs(fields) do m[k] = v end; return m end
local function without(m, ...) for _, k in ipairs({...}) do m[k] = nil end; return m end

local image, wide, line, frames, volume = rand(2, 4, 7, 9), rand(2, 3, 12, 10), rand(2, 6), rand(2, 8, 5), rand(2, 2, 5, 6, 7)
local cases = {}
local function case(name, module, input) table.insert(cases, {name, module, input}) end

-- convolutions
case('conv_pad_stride', nn.SpatialConvolution(4, 6, 3, 2, 2, 1, 1, 0), image)
case('conv_no_bias', nn.SpatialConvolution(4, 6, 3, 3):noBias(), image)
case('conv_single', nn.SpatialConvolution(4, 6, 3, 3), rand(4, 7, 9))
case('conv_mm', nn.SpatialConvolutionMM(4, 5, 3, 3, 1, 2, 1, 1), image)
case('conv_dilated', nn.SpatialDilatedConvolution(4, 5, 3, 3, 1, 1, 2, 2, 2, 2), wide:narrow(2, 1, 3):clone():resize(2, 4, 9, 10))
case('full_conv', nn.SpatialFullConvolution(4, 3, 4, 3, 2, 3, 1, 0, 1, 2), image)
case('full_conv_reference', nn.SpatialFullConvolution(4, 3, 3, 3, 2, 2, 1, 1), {image, rand(2, 1, 14, 18)})
case('depthwise', nn.SpatialDepthWiseConvolution(4, 2, 3, 3, 1, 1, 1, 1), rand(2, 4, 7, 7))
case('depthwise_no_bias', nn.SpatialDepthWiseConvolution(4, 3, 3, 3, 2, 2):noBias(), rand(2, 4, 9, 9))
case('conv_map', nn.SpatialConvolutionMap(nn.tables.random(4, 6, 2), 3, 3), image)
case('full_conv_map', nn.SpatialFullConvolutionMap(nn.tables.random(4, 6, 2), 3, 3, 2, 2), rand(4, 7, 9))
case('conv_local', nn.SpatialConvolutionLocal(4, 3, 9, 7, 3, 3, 2, 2, 1, 1), image)
case('sub_sampling', nn.SpatialSubSampling(4, 3, 2, 2, 2), image)
case('temporal_conv', nn.TemporalConvolution(5, 6, 3, 2), frames)
case('temporal_conv_single', nn.TemporalConvolution(5, 6, 3, 1), rand(8, 5))
case('temporal_sub_sampling', nn.TemporalSubSampling(5, 3, 2), rand(8, 5))
case('temporal_row_conv', nn.TemporalRowConvolution(5, 3, 1), frames)
case('temporal_row_conv_feat_first', nn.TemporalRowConvolution(5, 3, 2, true), rand(2, 5, 8))
case('temporal_max', nn.TemporalMaxPooling(3, 2), frames)
case('temporal_k_max', nn.TemporalDynamicKMaxPooling(2, 0.6), frames)
case('volumetric_conv', nn.VolumetricConvolution(2, 3, 3, 2, 3, 1, 2, 1, 1, 0, 1), volume)
case('volumetric_dilated', nn.VolumetricDilatedConvolution(2, 3, 2, 3, 2, 1, 1, 1, 1, 2, 1, 2, 2, 1), volume)
case('volumetric_full', nn.VolumetricFullConvolution(2, 3, 3, 2, 3, 2, 1, 2, 1, 0, 1, 1, 0, 1), volume)
-- pooling
case('max_floor', nn.SpatialMaxPooling(3, 2, 2, 2), image)
case('max_ceil', nn.SpatialMaxPooling(3, 3, 2, 2):ceil(), image)
case('max_ceil_pad', nn.SpatialMaxPooling(3, 3, 2, 2, 1, 1):ceil(), wide)
case('max_ceil_pad_drops', nn.SpatialMaxPooling(2, 2, 2, 2, 1, 1):ceil(), rand(1, 2, 5, 7))
case('max_dilated', nn.SpatialDilatedMaxPooling(2, 2, 2, 1, 1, 1, 2, 2), image)
case('average', nn.SpatialAveragePooling(3, 2, 2, 2), image)
case('average_pad', nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1), image)
case('average_pad_exclude', nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1):setCountExcludePad(), image)
case('average_ceil_pad', nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1):ceil(), wide)
case('average_ceil_hangs', nn.SpatialAveragePooling(3, 3, 2, 2):ceil(), rand(2, 2, 6, 8))
case('average_ceil_exclude', nn.SpatialAveragePooling(3, 3, 2, 2, 1, 1):ceil():setCountExcludePad(), wide)
case('average_sums', without(nn.SpatialAveragePooling(3, 2, 2, 2), 'divide', 'ceil_mode', 'count_include_pad', 'padW', 'padH'), image)
case('adaptive_max', nn.SpatialAdaptiveMaxPooling(4, 3), image)
case('adaptive_average', nn.SpatialAdaptiveAveragePooling(5, 2), image)
case('adaptive_average_one', nn.SpatialAdaptiveAveragePooling(1, 1), image)
case('lp', nn.SpatialLPPooling(4, 2, 3, 2, 2, 2), image)
case('feature_lp', nn.FeatureLPPooling(2, 2, 2, true), positive(3, 8))
case('feature_lp_image', nn.FeatureLPPooling(3, 1, 3, true), positive(2, 6, 4, 5))
case('volumetric_max', nn.VolumetricMaxPooling(2, 3, 2, 2, 2, 2, 1, 1, 1), volume)
case('volumetric_max_ceil', nn.VolumetricMaxPooling(2, 2, 2, 2, 2, 2):ceil(), volume)
case('volumetric_max_dilated', nn.VolumetricDilatedMaxPooling(2, 2, 2, 1, 1, 1, 0, 0, 0, 2, 2, 2), volume)
case('volumetric_average', nn.VolumetricAveragePooling(2, 3, 2, 2, 1, 2), volume)
do local p = nn.SpatialMaxPooling(2, 2, 2, 2); case('unpooling', seq(p, nn.SpatialMaxUnpooling(p)), image) end
do local p = nn.VolumetricMaxPooling(2, 2, 2, 2, 2, 2); case('volumetric_unpooling', seq(p, nn.VolumetricMaxUnpooling(p)), volume) end
-- normalisation
case('batch_norm', norm(nn.BatchNormalization(6)), line)
case('batch_norm_not_affine', norm(nn.BatchNormalization(6, 1e-3, 0.1, false)), line)
case('batch_norm_spatial', norm(nn.SpatialBatchNormalization(4)), image)
case('batch_norm_volumetric', norm(nn.VolumetricBatchNormalization(2)), volume)
case('lrn', nn.SpatialCrossMapLRN(5, 0.5, 0.75, 2), image)
case('normalize_1', nn.Normalize(1), line)
case('normalize_2', nn.Normalize(2), line)
case('normalize_3', nn.Normalize(3, 1e-5), line)
case('normalize_inf', nn.Normalize(math.huge), line)
case('subtractive_1d', nn.SpatialSubtractiveNormalization(4, torch.FloatTensor{1, 2, 3, 2, 1}), image)
case('divisive_2d', nn.SpatialDivisiveNormalization(4, positive(3, 5), 0.5, 0.7), image)
case('contrastive', nn.SpatialContrastiveNormalization(4, positive(5, 3)), image)
case('contrastive_1d', nn.SpatialContrastiveNormalization(4, torch.FloatTensor{1, 3, 1}), image)
case('layer_norm', nn.LayerNormalization(6), line)
-- activations
for _, name in ipairs({'Tanh', 'Sigmoid', 'Exp', 'Abs', 'Square', 'SoftSign', 'SoftPlus', 'LogSigmoid', 'TanhShrink', 'HardTanh', 'SoftShrink', 'HardShrink',
   'ReLU', 'ReLU6', 'ELU', 'LeakyReLU', 'RReLU', 'SoftMax', 'LogSoftMax', 'SoftMin', 'SpatialSoftMax', 'SpatialLogSoftMax'}) do
   local m = nn[name](); case('act_' .. name, m, image * 3)
   if name:find('Soft') and (name:find('Max') or name:find('Min')) then
      for d, x in ipairs({rand(5), rand(2, 5), rand(3, 4, 5)}) do
         if not (name:find('Spatial') and d < 3) then case('act_' .. name .. d, nn[name](), x) end
      end
   end
end
case('log', nn.Log(), positive(2, 3)); case('sqrt', nn.Sqrt(), positive(2, 3)); case('power', nn.Power(1.7), positive(2, 3))
case('threshold', nn.Threshold(0.3, -0.7), image); case('clamp', nn.Clamp(-0.5, 0.25), image); case('soft_plus_beta', nn.SoftPlus(2.5), image * 8)
case('elu', nn.ELU(0.4), image); case('leaky', nn.LeakyReLU(0.3), image); case('shrink', nn.SoftShrink(0.3), image); case('hard_shrink', nn.HardShrink(0.3), image)
case('rrelu', nn.RReLU(0.1, 0.4), image); case('hard_tanh', nn.HardTanh(-2, 0.5), image)
case('prelu', nn.PReLU(), image); case('prelu_channels', with(nn.PReLU(4), {weight = rand(4)}), image); case('prelu_line', with(nn.PReLU(6), {weight = rand(6)}), line)
case('glu', nn.GatedLinearUnit(), line); case('glu_dim', nn.GatedLinearUnit(2), image)
case('crelu', nn.CReLU(3), image); case('crelu_line', nn.CReLU(1), line)
case('dropout', nn.Dropout(0.3), line); case('dropout_v1', nn.Dropout(0.3, true), line); case('dropout_spatial', nn.SpatialDropout(0.3), image)
case('dropout_volumetric', nn.VolumetricDropout(0.3), volume)
-- dense
case('linear', nn.Linear(6, 4), line); case('linear_no_bias', nn.Linear(6, 4, false), line); case('linear_single', nn.Linear(6, 4), rand(6))
do local m = with(nn.LinearWeightNorm(6, 4), {g = positive(4, 1)}); m:forward(line); case('linear_weight_norm', m, line) end
case('weight_norm_linear', nn.WeightNorm(nn.Linear(6, 4)), line)
case('weight_norm_conv', nn.WeightNorm(nn.SpatialConvolution(4, 6, 3, 3)), image)
case('weight_norm_full', nn.WeightNorm(nn.SpatialFullConvolution(4, 3, 3, 3), 2), image)
case('lookup', nn.LookupTable(9, 5), whole(9, 2, 4)); case('lookup_line', nn.LookupTable(9, 5), whole(9, 4))
case('lookup_max_norm', nn.LookupTable(9, 5, 0, 0.8, 2), whole(9, 2, 4)); case('one_hot', nn.OneHot(5), whole(5, 3)); case('one_hot_2', nn.OneHot(5), whole(5, 2, 3))
case('maxout', nn.Maxout(6, 4, 3), line)
case('cmul', nn.CMul(6), line); case('cmul_image', nn.CMul(1, 4, 1, 1), image); case('cmul_flat', nn.CMul(4, 7, 9), image); case('cadd', nn.CAdd(6), line)
case('cadd_image', nn.CAdd(1, 4, 1, 1), image); case('cadd_row', nn.CAdd(1, 4, 7, 9), image)
case('add', nn.Add(6), line); case('add_scalar', nn.Add(1, true), line); case('mul', nn.Mul(), line)
case('mul_constant', nn.MulConstant(-1.5), line); case('add_constant', nn.AddConstant(0.5), line); case('add_constant_tensor', nn.AddConstant(rand(6)), rand(6))
case('cosine', nn.Cosine(6, 4), line); case('euclidean', nn.Euclidean(6, 4), line); case('weighted_euclidean', with(nn.WeightedEuclidean(6, 4), {diagCov = positive(6, 4)}), line)
case('kmeans', nn.Kmeans(4, 6), line)
-- shapes
case('view', nn.View(4 * 7 * 9), image); case('view_minus', nn.View(-1):setNumInputDims(3), image); case('view_rows', nn.View(-1, 9), image)
case('view_keep', nn.View(2, -1):setNumInputDims(3), image); case('reshape', nn.Reshape(28, 9), image); case('reshape_false', nn.Reshape(8, 63, false), image)
case('reshape_true', nn.Reshape(28, 9, true), rand(1, 4, 7, 9)); case('collapse', nn.Collapse(3), image)
case('squeeze', nn.Squeeze(), rand(2, 1, 3, 1)); case('squeeze_dim', nn.Squeeze(2), rand(2, 1, 3, 1)); case('squeeze_dims', nn.Squeeze(1, 3), rand(2, 1, 3, 1))
case('unsqueeze', nn.Unsqueeze(2), line); case('unsqueeze_dims', nn.Unsqueeze(1, 1), line)
case('transpose', nn.Transpose({2, 3}, {3, 4}), image); case('transpose_dims', nn.Transpose({1, 3}):setNumInputDims(3), image)
case('select', nn.Select(2, 3), image); case('select_negative', nn.Select(-1, -2), image); case('narrow', nn.Narrow(3, 2, 4), image)
case('narrow_rest', nn.Narrow(3, 3, -1), image); case('narrow_negative', nn.Narrow(2, -1, 1), image); case('narrow_last', nn.Narrow(-1, 2, -2), image)
case('replicate', nn.Replicate(3), line); case('replicate_dim', nn.Replicate(3, 2), line); case('replicate_ndim', nn.Replicate(3, 1, 1), line)
case('padding', nn.Padding(2, 3), image); case('padding_front', nn.Padding(1, -2, 3, 0.5), image); case('padding_inner', nn.Padding(1, 2, 3, 1.5, 2), image)
case('padding_inner_front', nn.Padding(3, -2, 3, 1.5, 4), image)
case('zero_padding', nn.SpatialZeroPadding(1, -2, 2, 0), image); case('reflection', nn.SpatialReflectionPadding(2, 1, 3, 0), image)
case('replication', nn.SpatialReplicationPadding(2, 1, 3, 0), image); case('replication_volume', nn.VolumetricReplicationPadding(1, 2, 0, 1, 2, 1), volume)
case('nearest', nn.SpatialUpSamplingNearest(3), image); case('bilinear', nn.SpatialUpSamplingBilinear(2), image)
case('bilinear_size', nn.SpatialUpSamplingBilinear({oheight = 5, owidth = 13}), image)
case('up_nearest', nn.UpSampling(2, 'nearest'), volume); case('up_linear', nn.UpSampling(2, 'linear'), volume); case('up_linear_image', nn.UpSampling(3, 'linear'), image)
case('pixel_shuffle', nn.PixelShuffle(2), rand(2, 12, 3, 4)); case('pixel_shuffle_single', nn.PixelShuffle(2), rand(12, 3, 4))
case('sum', nn.Sum(2), image); case('sum_dims', nn.Sum(1, 3), image); case('sum_keep', nn.Sum(2, 3, false, false), image); case('sum_average', nn.Sum(-1, 3, true), image)
case('mean', nn.Mean(2), image); case('mean_dims', nn.Mean(1, 3), image); case('max', nn.Max(2), image); case('max_dims', nn.Max(1, 3), image)
case('min', nn.Min(-1), image); case('constant', nn.Constant(rand(3), 1), line); case('contiguous', nn.Contiguous(), line)
-- tables
local a, b = rand(2, 6), positive(2, 6)
for _, name in ipairs({'CAddTable', 'CSubTable', 'CMulTable', 'CDivTable', 'CMaxTable', 'CMinTable', 'DotProduct', 'CosineDistance'}) do case('tab_' .. name, nn[name](), {a, b}) end
case('pairwise_1', nn.PairwiseDistance(1), {a, b}); case('pairwise_2', nn.PairwiseDistance(2), {a, b}); case('pairwise_3', nn.PairwiseDistance(3), {a, b})
case('bilinear_layer', nn.Bilinear(6, 5, 4), {a, rand(2, 5)}); case('bilinear_no_bias', nn.Bilinear(6, 5, 4, false), {a, rand(2, 5)})
case('mm', nn.MM(), {rand(2, 3, 4), rand(2, 4, 5)}); case('mm_trans', nn.MM(true, true), {rand(2, 4, 3), rand(2, 5, 4)}); case('mv', nn.MV(), {rand(2, 3, 4), rand(2, 4)})
case('mv_trans', nn.MV(true), {rand(2, 4, 3), rand(2, 4)}); case('join', nn.JoinTable(2), {a, b}); case('join_dims', nn.JoinTable(1, 1), {a, b})
case('mixture', nn.MixtureTable(), {positive(2, 2), {a, b}}); case('mixture_tensor', nn.MixtureTable(2), {positive(2, 4), rand(2, 4, 6)})
case('select_table', nn.SelectTable(-1), {a, b}); case('narrow_table', nn.NarrowTable(2, 2), {a, b, line}); case('flatten', nn.FlattenTable(), {a, {b, line}})
case('split_join', seq(nn.SplitTable(2, 3), nn.JoinTable(1, 2)), image); case('index', nn.Index(1), {rand(5, 3), whole(5, 4)})
case('zip', seq(filled(nn.ParallelTable(), filled(nn.ConcatTable(), nn.Tanh(), nn.Sigmoid()), filled(nn.ConcatTable(), nn.Identity(), nn.Abs())), nn.ZipTable(), nn.SelectTable(2), nn.CSubTable()), {a, b}); case('zip_one', seq(nn.ZipTableOneToMany(), nn.SelectTable(2), nn.CAddTable()), {a, {b, line}})
case('add_tensor', seq(nn.CAddTensorTable(), nn.JoinTable(2)), {a, {b, line}})
-- containers
case('concat', filled(nn.Concat(2), nn.Linear(6, 3), nn.Linear(6, 2)), line)
case('depth_concat', filled(nn.DepthConcat(2), nn.SpatialConvolution(4, 2, 1, 1), nn.SpatialConvolution(4, 3, 3, 4), nn.SpatialMaxPooling(2, 2, 2, 2)), image)
case('parallel', filled(nn.Parallel(2, 2), nn.Linear(5, 3), nn.Linear(5, 2), nn.Linear(5, 4)), rand(2, 3, 5))
case('parallel_table', seq(filled(nn.ParallelTable(), nn.Linear(6, 3), nn.Tanh()), nn.JoinTable(2)), {a, b})
case('map_table', seq(nn.MapTable():add(nn.Linear(6, 3)), nn.CAddTable()), {a, b}); case('bottle', nn.Bottle(nn.Linear(5, 3)), rand(2, 4, 5))
case('bottle_3', nn.Bottle(nn.SpatialConvolution(4, 2, 3, 3), 4), rand(2, 3, 4, 7, 9)); case('nested', seq(seq(nn.Linear(6, 3)), nn.Identity(), nn.Tanh()), line)
case('inplace_view', seq(filled(nn.ConcatTable(), seq(nn.View(4, 63), nn.ReLU(true), nn.MulConstant(2)), nn.View(4, 63)), nn.CAddTable()), image)
case('inplace_split', seq(filled(nn.ConcatTable(), seq(nn.SplitTable(2), nn.SelectTable(2), nn.Threshold(0.5, 0.2, true)), seq(nn.Identity(), nn.Select(2, 2))), nn.CAddTable()), rand(2, 4, 5))
case('inplace_add', seq(filled(nn.ConcatTable(), nn.Identity(), seq(nn.Identity(), nn.MulConstant(2))), nn.CAddTable(true), nn.LeakyReLU(0.2, true)), line)
do -- an nngraph with splits, shared modules and several results
   local x, y = nn.Identity()(), nn.Identity()()
   local shared = nn.Linear(6, 4)
   local h, k = shared(x), shared:clone('weight', 'bias')(y)
   local p, q, r, s = nn.SplitTable(1, 1)(nn.CMulTable()({h, k})):split(4)
   local out = nn.JoinTable(2)({nn.Tanh()(h), k, nn.Replicate(1, 2)(q), nn.Replicate(1, 2)(nn.CMinTable()({r, s}))})
   case('graph', nn.gModule({x, y}, {out, nn.Sigmoid()(p)}), {a, b})
end
do
   local input = nn.Identity()()
   local p, q = input:split(2)
   case('graph_table', nn.gModule({input}, {nn.CSubTable()({p, nn.Tanh()(q)})}), {a, b})
end
if has_rnn then
   local steps = {rand(2, 6), rand(2, 6), rand(2, 6)}
   case('rnn_lstm', seq(nn.Sequencer(nn.LSTM(6, 4)), nn.JoinTable(2)), steps)
   case('rnn_fast_lstm', seq(nn.Sequencer(nn.FastLSTM(6, 4)), nn.JoinTable(2)), steps)
   case('rnn_gru', seq(nn.Sequencer(nn.GRU(6, 4)), nn.JoinTable(2)), steps)
   case('rnn_fast_lstm_tensor', nn.Sequencer(nn.FastLSTM(6, 4)), rand(3, 2, 6))
   case('rnn_recurrent', seq(nn.Sequencer(nn.Recurrent(4, nn.Linear(6, 4), nn.Linear(4, 4), nn.Tanh())), nn.JoinTable(2)), steps)
   case('rnn_recurrence', seq(nn.Sequencer(nn.Recurrence(seq(nn.JoinTable(1, 1), nn.Linear(10, 4), nn.Tanh()), 4, 1)), nn.JoinTable(2)), steps)
   case('rnn_bi', seq(nn.BiSequencer(nn.FastLSTM(6, 4), nn.GRU(6, 3)), nn.JoinTable(2)), steps)
   case('rnn_repeater', seq(nn.Repeater(nn.FastLSTM(6, 4), 3), nn.JoinTable(2)), line)
   case('rnn_plain', seq(nn.Sequencer(seq(nn.Linear(6, 4), nn.FastLSTM(4, 3), nn.Tanh())), nn.SelectTable(-1)), steps)
   case('rnn_mufuru', seq(nn.Sequencer(nn.MuFuRu(6, 4):float()), nn.JoinTable(2)), steps)
   case('rnn_seq_lstm', nn.SeqLSTM(6, 4), rand(3, 2, 6))
   case('rnn_seq_lstm_batch', with(nn.SeqLSTM(6, 4), {batchfirst = true}), rand(2, 3, 6))
   case('rnn_seq_lstmp', nn.SeqLSTMP(6, 5, 4), rand(3, 2, 6))
   case('rnn_seq_gru', nn.SeqGRU(6, 4), rand(3, 2, 6))
   case('rnn_seq_brnn', nn.SeqBRNN(6, 4), rand(3, 2, 6))
   case('rnn_seq_reverse', nn.SeqReverseSequence(1), rand(3, 2, 6))
   local masked = rand(3, 2, 6); masked[1][2]:zero(); masked[2][1]:zero()
   case('rnn_seq_lstm_mask', with(nn.SeqLSTM(6, 4), {maskzero = true}), masked)
   case('rnn_mask', seq(nn.Sequencer(nn.MaskZero(nn.FastLSTM(6, 4), 1)), nn.JoinTable(2)), {masked[1], masked[2], masked[3]})
   case('rnn_lookup_mask', nn.LookupTableMaskZero(9, 5), whole(9, 2, 4):add(-1))
   case('dpnn_convert', nn.Convert('bchw', 'bf'), image); case('dpnn_convert_last', nn.Convert('bchw', 'bhwc'), image)
   case('dpnn_clip', nn.Clip(-0.5, 0.5), image); case('dpnn_argmax', nn.ArgMax(1, 1), line); case('dpnn_zero_grad', nn.ZeroGrad(), line)
   case('dpnn_sadd', nn.SAdd(-1, true), line)
end

local function plain(x)
   if torch.isTensor(x) then return x:dim() > 0 and x:clone() or torch.FloatTensor() end
   local t = {}
   for i, v in ipairs(x) do t[i] = plain(v) end
   return t
end
for _, entry in ipairs(cases) do
   local name, module, input = unpack(entry)
   local ok, problem = pcall(function()
      local path = folder .. '/' .. name
      local kept = plain(input)
      module:evaluate()
      if torch.type(module) ~= 'nn.LinearWeightNorm' then module:clearState() end
      torch.save(path .. '.t7', module)
      local again = torch.load(path .. '.t7')
      again:evaluate()
      local output = again:forward(input)
      torch.save(path .. '.io', {inputs = kept, outputs = plain(output)})
   end)
   if not ok then print(name, problem); os.remove(folder .. '/' .. name .. '.t7') end
end
