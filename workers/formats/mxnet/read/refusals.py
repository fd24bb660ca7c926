"""Operators that are known and cannot be said, each with the reason that the user will read."""

from workers.formats.mxnet.read.layer import reads

reads.refuse(
    "it is the user's own code (op_type), which is not in the file; say what it computes in ONNX instead",
    "Custom", "_npi_Custom", "_CustomFunction", "_NDArray", "_Native", "_CachedOp", "_CachedOpThreadSafe",
)  # fmt: skip
reads.refuse(
    "quantised graphs compute with kernels of one processor; convert the float model and quantise the result",
    "_contrib_quantize", "_contrib_quantize_v2", "_contrib_quantize_asym", "_contrib_dequantize",
    "_contrib_requantize", "_contrib_quantized_act", "_contrib_quantized_batch_norm", "_contrib_quantized_concat",
    "_contrib_quantized_conv", "_contrib_quantized_elemwise_add", "_contrib_quantized_elemwise_mul",
    "_contrib_quantized_embedding", "_contrib_quantized_flatten", "_contrib_quantized_fully_connected",
    "_contrib_quantized_pooling", "_contrib_quantized_rnn", "_contrib_quantized_ring_buffer", "ring_buffer",
    "_contrib_calibrate_entropy",
)  # fmt: skip
reads.refuse(
    "it is a layer fused for one processor (get_backend_symbol); convert the model as it was before that",
    "_sg_mkldnn_conv", "_sg_mkldnn_fully_connected", "_sg_mkldnn_selfatt_qk", "_sg_mkldnn_selfatt_valatt",
    "_TensorRT", "_FusedOp",
)  # fmt: skip
reads.refuse(
    "it is a loss or a measure that serves training only: name the outputs for inference in the option 'outputs'",
    "CTCLoss", "ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss", "softmax_cross_entropy", "_contrib_hawkesll",
    "all_finite", "multi_all_finite", "multi_sum_sq", "multi_lars", "reset_arrays", "_contrib_allclose",
)  # fmt: skip
reads.refuse(
    "ONNX has no operator that factorises or solves matrices",
    "_linalg_gelqf", "linalg_gelqf", "_linalg_inverse", "linalg_inverse", "_npi_inv", "_linalg_potrf", "linalg_potrf",
    "_npi_cholesky", "_linalg_potri", "linalg_potri", "_linalg_syevd", "linalg_syevd", "_linalg_trsm", "linalg_trsm",
    "_npi_svd", "_npi_eig", "_npi_eigh", "_npi_eigvals", "_npi_eigvalsh", "_npi_solve", "_npi_pinv",
    "_npi_pinv_scalar_rcond", "_npi_tensorinv", "_npi_tensorsolve",
)  # fmt: skip
reads.refuse(
    "ONNX draws from uniform, normal and multinomial distributions only",
    "_random_exponential", "random_exponential", "_random_exponential_like", "_random_gamma", "random_gamma",
    "_random_gamma_like", "_random_poisson", "random_poisson", "_random_poisson_like", "_random_negative_binomial",
    "random_negative_binomial", "_random_negative_binomial_like", "_random_generalized_negative_binomial",
    "random_generalized_negative_binomial", "_random_generalized_negative_binomial_like", "_random_randint",
    "random_randint", "_npi_random_randint", "_sample_exponential", "sample_exponential", "_sample_gamma",
    "sample_gamma", "_sample_generalized_negative_binomial", "sample_generalized_negative_binomial",
    "_sample_negative_binomial", "sample_negative_binomial", "_sample_normal", "sample_normal", "_sample_poisson",
    "sample_poisson", "_sample_uniform", "sample_uniform", "_sample_unique_zipfian", "_shuffle", "shuffle",
    "_npi_shuffle", "_npi_bernoulli", "_npi_choice", "_npi_exponential", "_npi_gamma", "_npi_gumbel", "_npi_logistic",
    "_npi_multinomial", "_npi_normal", "_npi_normal_n", "_npi_pareto", "_npi_powerd", "_npi_rayleigh",
    "_npi_uniform", "_npi_uniform_n", "_npi_weibull",
)  # fmt: skip
reads.refuse(
    "it measures the density of a distribution, which no network for inference does",
    "_random_pdf_dirichlet", "_random_pdf_exponential", "_random_pdf_gamma",
    "_random_pdf_generalized_negative_binomial", "_random_pdf_negative_binomial", "_random_pdf_normal",
    "_random_pdf_poisson", "_random_pdf_uniform", "random_pdf_dirichlet", "random_pdf_exponential",
    "random_pdf_gamma", "random_pdf_generalized_negative_binomial", "random_pdf_negative_binomial",
    "random_pdf_normal", "random_pdf_poisson", "random_pdf_uniform",
)  # fmt: skip
reads.refuse(
    "it loads or changes pictures outside the network, or at random while training",
    "_imdecode", "_cvimdecode", "_cvimread", "_cvimresize", "_cvcopyMakeBorder", "_npi_cvimdecode", "_npi_cvimread",
    "_npi_cvimresize", "_image_adjust_lighting", "_image_random_brightness", "_image_random_color_jitter",
    "_image_random_contrast", "_image_random_flip_left_right", "_image_random_flip_top_bottom", "_image_random_hue",
    "_image_random_lighting", "_image_random_saturation", "_npx__image_adjust_lighting",
    "_npx__image_random_brightness", "_npx__image_random_color_jitter", "_npx__image_random_contrast",
    "_npx__image_random_flip_left_right", "_npx__image_random_flip_top_bottom", "_npx__image_random_hue",
    "_npx__image_random_lighting", "_npx__image_random_saturation",
)  # fmt: skip
reads.refuse(
    "it rounds pixels in the way of OpenCV; resize pictures before they enter the network",
    "_image_resize", "_npx__image_resize",
)  # fmt: skip
reads.refuse(
    "it works on graphs stored as sparse matrices, which ONNX runtimes do not have",
    "_contrib_dgl_adjacency", "_contrib_dgl_csr_neighbor_non_uniform_sample",
    "_contrib_dgl_csr_neighbor_uniform_sample", "_contrib_dgl_graph_compact", "_contrib_dgl_subgraph",
    "_contrib_edge_id", "_contrib_getnnz",
)  # fmt: skip
reads.refuse("it works on sparse arrays, which ONNX runtimes do not have", "_sparse_retain", "_square_sum")
reads.refuse("ONNX cannot stop with a message when a condition fails", "_npx_constraint_check")
reads.refuse("arrays of ONNX have no address that could be compared", "_npi_share_memory")
reads.refuse(
    "it computes gradients and serves training only",
    "_contrib_backward_hawkesll", "_contrib_backward_index_copy", "_contrib_backward_quadratic", "_split_v2_backward",
)  # fmt: skip
reads.refuse("ONNX counts no values into bins", "_histogram", "_npi_histogram", "_npi_bincount")
reads.refuse("ONNX has no count sketch", "_contrib_count_sketch")
reads.refuse(
    "how many values it puts in or takes out depends on the data in ways that ONNX does not say",
    "_npi_insert_scalar", "_npi_insert_slice", "_npi_insert_tensor", "_npi_delete", "_npi_boolean_mask_assign_tensor",
    "_npi_ediff1d",
)  # fmt: skip
reads.refuse("ONNX has no quantiles", "_npi_percentile")
reads.refuse("ONNX has no common multiples", "_npi_lcm", "_npi_lcm_scalar")
reads.refuse(
    "it writes into an array that exists already, as only imperative programs do",
    "_onehot_encode", "fill_element_0index", "_set_value", "_broadcast_backward",
)  # fmt: skip
reads.refuse(
    "no release of MXNet has an operator of this name; another tool wrote the file",
    "ScaleShift", "ShuffleChannel", "HardSwish", "HardSigmoid", "Reduction", "noop_reducedncnn", "Copy", "neg", "atan",
    "maximum", "minimum", "fft", "ifft", "proposal", "Transpose", "__add_scalar__", "__div_scalar__", "__mul_scalar__",
    "__pow_scalar__", "__rdiv_scalar__", "__rpow_scalar__", "__rsub_scalar__", "__sub_scalar__",
)  # fmt: skip
reads.refuse(
    "it is a step of an optimiser and serves training only",
    "sgd_update", "sgd_mom_update", "mp_sgd_update", "mp_sgd_mom_update", "multi_sgd_update", "multi_sgd_mom_update",
    "multi_mp_sgd_update", "multi_mp_sgd_mom_update", "preloaded_multi_sgd_update", "preloaded_multi_sgd_mom_update",
    "preloaded_multi_mp_sgd_update", "preloaded_multi_mp_sgd_mom_update", "nag_mom_update", "mp_nag_mom_update",
    "adam_update", "_adamw_update", "_mp_adamw_update", "_multi_adamw_update", "_multi_mp_adamw_update",
    "_multi_lamb_update", "_multi_mp_lamb_update", "lamb_update_phase1", "lamb_update_phase2", "mp_lamb_update_phase1",
    "mp_lamb_update_phase2", "ftrl_update", "ftml_update", "rmsprop_update", "rmspropalex_update", "signsgd_update",
    "signum_update", "adagrad_update", "_contrib_group_adagrad_update",
)  # fmt: skip
