"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.paddle.read.layer import reads

reads.refuse(
    "it serves training only: name the outputs for inference in the option 'outputs'",
    "cross_entropy", "cross_entropy2", "sigmoid_cross_entropy_with_logits", "bce_loss", "huber_loss", "smooth_l1_loss",
    "square_error_cost", "nll_loss", "kldiv_loss", "log_loss", "hinge_loss", "margin_rank_loss", "rank_loss",
    "bpr_loss", "warpctc", "nce", "hierarchical_sigmoid", "accuracy", "auc", "mean_iou", "edit_distance",
    "chunk_eval", "detection_map", "precision_recall", "yolov3_loss", "target_assign", "rpn_target_assign",
    "generate_proposal_labels", "generate_mask_labels", "retinanet_target_assign", "mine_hard_examples",
    "sigmoid_focal_loss", "center_loss", "teacher_student_sigmoid_loss", "margin_cross_entropy", "sgd", "momentum",
    "adam", "adamw", "lamb", "rmsprop", "adagrad", "spectral_norm", "sample_logits", "filter_by_instag",
)  # fmt: skip
reads.refuse(
    "it was quantised or fused for one processor; convert the model as it was before",
    "quantize", "dequantize", "requantize", "quantize_xpu", "dequantize_xpu", "tensorrt_engine", "lite_engine",
    "pd_op.tensorrt_engine", "dlnne_engine", "fusion_gru", "fusion_lstm", "fused_embedding_fc_lstm",
    "fusion_repeated_fc_relu", "fusion_seqpool_concat", "fusion_seqpool_cvm_concat", "fusion_seqexpand_concat_fc",
    "multi_gru", "attention_lstm", "fused_multi_transformer", "fused_multi_transformer_int8", "weight_only_linear",
    "fused_conv2d_transpose", "conv2d_inception_fusion", "fused_token_prune", "fused_gate_attention",
    "pd_op.weight_only_linear", "pd_op.llm_int8_linear", "pd_op.weight_quantize", "pd_op.weight_dequantize",
    "pd_op.masked_multihead_attention_", "pd_op.block_multihead_attention_", "pd_op.fused_bias_act",
    "pd_op.fused_multi_transformer_", "pd_op.fused_rotary_position_embedding",
    "pd_op.variable_length_memory_efficient_attention",
    "builtin_cinn.jit_kernel", "cinn_runtime.jit_kernel",
)  # fmt: skip
reads.refuse(
    "ONNX has no position-sensitive, precise or rotated pooling of regions",
    "psroi_pool", "prroi_pool", "deformable_psroi_pooling", "roi_perspective_transform",
)  # fmt: skip
reads.refuse(
    "ONNX has no operator that factorises, inverts or solves matrices",
    "inverse", "cholesky", "cholesky_solve", "qr", "svd", "eig", "eigh", "eigvals", "eigvalsh", "lu", "lu_unpack",
    "solve", "triangular_solve", "lstsq", "matrix_power", "matrix_rank", "slogdeterminant", "slogdet",
)  # fmt: skip
reads.refuse(
    "ONNX has no such special function", "digamma", "lgamma", "polygamma", "i0", "i0e", "i1", "i1e", "erfinv", "gammaln"
)
reads.refuse(
    "it draws random numbers of a kind that ONNX does not have, or orders at random",
    "bernoulli", "multinomial", "poisson", "dirichlet", "exponential", "randint", "randperm",
    "truncated_gaussian_random",
    "sampling_id", "shuffle_batch", "random_crop", "gumbel_softmax", "top_p_sampling", "class_center_sample",
)  # fmt: skip
reads.refuse(
    "it works on sequences of several lengths joined in one tensor (LoD) in a way that needs more than one of them",
    "sequence_erase", "sequence_enumerate", "sequence_slice", "sequence_scatter", "sequence_topk_avg_pooling",
    "match_matrix_tensor", "var_conv_2d", "lod_tensor_to_array", "array_to_lod_tensor", "lod_rank_table",
    "max_sequence_len", "reorder_lod_tensor_by_rank", "shrink_rnn_memory",
    "dynamic_rnn", "lstm_unit", "lstmp", "linear_chain_crf",
    "beam_search", "beam_search_decode",
)  # fmt: skip
reads.refuse(
    "ONNX has no counterpart for this step of a detector",
    "bipartite_match", "locality_aware_nms", "retinanet_detection_output", "box_decoder_and_assign",
    "yolo_box_head", "yolo_box_post", "correlation", "bilateral_slice", "tree_conv", "similarity_focus",
)  # fmt: skip
reads.refuse(
    "it works on sparse rows, tables of a server or several machines",
    "merge_selected_rows", "get_tensor_from_selected_rows", "lookup_sparse_table_read", "distributed_lookup_table",
    "pull_sparse", "pull_box_sparse", "pull_gpups_sparse", "hash", "pyramid_hash", "cvm", "continuous_value_model",
    "c_allreduce_sum", "c_allgather", "c_concat", "c_split", "c_identity", "mp_allreduce_sum", "partial_allgather",
    "rank_attention", "batch_fc", "tdm_child", "tdm_sampler",
)  # fmt: skip
reads.refuse(
    "it runs the author's own code, which is not in the file",
    "py_func", "py_layer", "run_program", "pd_op.py_layer", "pd_op.run_program", "cf.tuple_push", "cf.tuple_pop",
    "cf.stack_create", "pd_op.assert", "assert",
)  # fmt: skip
reads.refuse("texts are taken apart outside of the network", "faster_tokenizer")
reads.refuse("pictures are loaded and decoded outside of the network", "decode_jpeg", "read_file", "read")
reads.refuse("its strides reach into the memory of another tensor", "as_strided", "view_dtype")
reads.refuse(
    "no release of Paddle has an operator of this name; another tool wrote the file",
    "elementwise_prod", "sel",
)  # fmt: skip
reads.refuse("it picks one of several outputs for a branch, as training programs do; at inference use select_input",
             "select_output")  # fmt: skip
