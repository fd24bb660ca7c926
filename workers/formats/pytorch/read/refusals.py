"""Operators that are known and cannot be said in ONNX, with the reason that the user will read."""

from __future__ import annotations

from workers.formats.pytorch.read.layer import reads

_RANDOM = "it draws random numbers at run time, so that no two runs of the model agree"
_COMPLEX = "ONNX has no complex numbers; keep real and imaginary parts as two tensors"
_SPARSE = "sparse tensors have no counterpart; make them dense before saving the model"
_SOLVER = "it decomposes or solves matrices, for which ONNX has no operator"
_SPECIAL = "ONNX has no operator for this special function"
_TRAINING = "it is of use in training only"
_BYTES = "it looks at a tensor's memory, which ONNX does not have"
_FILES = "it reads or writes files or the machine's state"
_DATA = "the size of its result depends on the data in a way that ONNX cannot say"

TABLE: dict[str, tuple[str, ...]] = {
    _COMPLEX: (
        "fft_irfftn", "fft_rfftn", "fft_ifftn", "fft_hfft", "fft_hfft2", "fft_hfftn", "fft_ihfft", "fft_ihfft2",
        "fft_ihfftn", "view_as_complex_copy", "view_as_real_copy", "_fft_r2c", "_fft_c2c", "_fft_c2r",
    ),
    _RANDOM: (
        "rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "randperm", "normal", "uniform",
        "bernoulli", "multinomial", "poisson", "exponential", "geometric", "cauchy", "log_normal", "random",
        "rrelu_with_noise", "_sample_dirichlet", "_standard_gamma", "normal_functional", "fractional_max_pool2d",
        "fractional_max_pool3d", "binomial",
    ),
    _SPARSE: ("to_sparse", "_sparse_mm", "_sparse_addmm", "sparse_coo_tensor", "to_dense", "coalesce",
              "_sparse_softmax"),
    _SOLVER: (
        "linalg_inv", "inverse", "linalg_solve", "linalg_cholesky", "cholesky", "linalg_svd", "svd", "linalg_qr", "qr",
        "linalg_eigh", "linalg_eig", "linalg_pinv", "pinverse", "linalg_lstsq", "triangular_solve",
        "linalg_matrix_power", "matrix_exp", "linalg_matrix_exp", "linalg_slogdet", "slogdet", "linalg_lu",
        "linalg_inv_ex", "linalg_cholesky_ex", "linalg_solve_triangular", "cholesky_solve", "linalg_cross", "cross",
    ),
    _SPECIAL: (
        "lgamma", "digamma", "erfinv", "igamma", "igammac", "i0", "special_i0", "special_i1", "special_erfcx",
        "special_ndtr", "special_ndtri", "special_zeta", "polygamma", "mvlgamma", "special_log_ndtr", "nextafter",
        "special_gammaln", "special_psi", "special_digamma", "special_erfinv", "special_entr", "special_i0e",
        "special_i1e", "copysign", "frexp", "ldexp", "histc", "bincount", "mode", "quantile", "gcd", "lcm",
    ),
    _TRAINING: (
        "nll_loss", "nll_loss2d", "nll_loss_nd", "nll_loss_forward", "nll_loss2d_forward", "cross_entropy_loss",
        "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div", "ctc_loss", "cosine_embedding_loss",
        "margin_ranking_loss", "triplet_margin_loss", "hinge_embedding_loss", "multi_margin_loss",
        "multilabel_margin_loss", "soft_margin_loss", "poisson_nll_loss", "fake_quantize_per_tensor_affine",
        "fake_quantize_per_channel_affine", "_ctc_loss", "_backward", "embedding_renorm",
        "hardtanh_backward", "native_batch_norm_legit_functional", "_grouped_mm",
    ),
    _BYTES: ("as_strided", "set", "storage_offset", "sym_storage_offset", "sym_stride", "stride", "is_pinned",
             "as_strided_copy", "data_ptr", "resize", "resize_as", "is_set_to"),
    _FILES: ("save", "from_file", "load", "open", "write"),
    _DATA: ("tolist", "combinations", "cartesian_prod", "_pack_padded_sequence", "_pad_packed_sequence",
            "nested_tensor"),
}  # fmt: skip

for _reason, _names in TABLE.items():
    reads.refuse(_reason, *(f"aten::{name}" for name in _names))
reads.refuse("the quantised recurrent layers' packed weights are not read", "quantized::lstm", "quantized::gru",
             "quantized::quantized_lstm_cell_dynamic", "quantized::quantized_gru_cell_dynamic",
             "aten::quantized_lstm", "aten::quantized_gru", "quantized::make_quantized_cell_params_dynamic",
             )  # fmt: skip
reads.refuse("packed embeddings are not read", "quantized::embedding_byte", "quantized::embedding_bag_byte",
             "quantized::embedding_4bit", "quantized::embedding_bag_4bit")  # fmt: skip
reads.refuse("it runs another thread of the model", "prim::fork", "aten::wait", "aten::fork")
