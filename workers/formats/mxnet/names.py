"""How MXNet calls what an operator computes: NAME_output, or the names that the operator gives its outputs."""

from __future__ import annotations

from workers.formats.mxnet.symbol import Node

_NORM = ("output", "mean", "var")
NAMED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_npx_batch_norm", "_contrib_SyncBatchNorm",
         "_contrib_BatchNormWithReLU"), _NORM,
    ),
    **dict.fromkeys(("LayerNorm", "_npx_layer_norm", "GroupNorm"), ("output", "mean", "std")),
    **dict.fromkeys(("RNN", "_npx_rnn"), ("output", "state_output", "statecell_output")),
    **dict.fromkeys(("_contrib_Proposal", "_contrib_MultiProposal"), ("output", "score")),
    **dict.fromkeys(("LeakyReLU", "_npx_leaky_relu", "Dropout", "_npx_dropout"), ("output", "mask")),
    "_contrib_MultiBoxTarget": ("loc_target", "loc_mask", "cls_target"),
}  # fmt: skip
# Operators whose outputs carry numbers, even when there is only one to see.
NUMBERED = frozenset({
    "SliceChannel", "split", "_split_v2", "_npi_split", "_npi_hsplit", "_npi_dsplit", "sort", "_npi_sort", "topk",
    "_npx_topk", "moments", "_contrib_box_nms", "_contrib_box_non_maximum_suppression", "_contrib_box_encode",
    "_contrib_bipartite_matching", "CTCLoss", "ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss", "amp_multicast",
    "_linalg_slogdet", "linalg_slogdet", "_npi_slogdet", "_linalg_gelqf", "linalg_gelqf", "_linalg_syevd", "_foreach",
    "_while_loop", "_cond", "_sample_multinomial", "sample_multinomial", "_npi_average", "_npi_svd", "_npi_unique",
    "_histogram", "_npi_histogram", "_np_atleast_1d", "_np_atleast_2d", "_np_atleast_3d", "Custom", "_npi_Custom",
})  # fmt: skip


def entry_name(node: Node, output: int) -> str:
    """The name of output ``output``; a variable has its own."""
    if node.is_variable:
        return node.name
    named = NAMED.get(node.op, ())
    if output < len(named):
        return f"{node.name}_{named[output]}"
    if node.op in NUMBERED or output:
        return f"{node.name}_output{output}"
    return f"{node.name}_output"
