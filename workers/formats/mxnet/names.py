"""How MXNet calls what an operator computes: NAME_output, or the names that the operator gives its outputs."""

from __future__ import annotations

from collections.abc import Callable

from workers.formats.mxnet.slots import BATCH_NORMS
from workers.formats.mxnet.symbol import Node

NAMED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(BATCH_NORMS, ("output", "mean", "var")),
    **dict.fromkeys(("LayerNorm", "_npx_layer_norm", "GroupNorm"), ("output", "mean", "std")),
    **dict.fromkeys(("RNN", "_npx_rnn"), ("output", "state_output", "statecell_output")),
    **dict.fromkeys(("_contrib_Proposal", "_contrib_MultiProposal"), ("output", "score")),
    **dict.fromkeys(("LeakyReLU", "_npx_leaky_relu", "Dropout", "_npx_dropout"), ("output", "mask")),
    **dict.fromkeys(
        ("_npi_concatenate", "_npi_hstack", "_npi_dstack", "_npi_matmul"), ("out",),
    ),
    "_contrib_MultiBoxTarget": ("loc_target", "loc_mask", "cls_target"), "make_loss": ("loss",), "_npi_var": ("var",),
    "_npi_std": ("std",),
}  # fmt: skip
# Operators whose outputs carry numbers, even when there is only one to see.
NUMBERED = frozenset({
    "SliceChannel", "split", "_split_v2", "_npi_split", "_npi_hsplit", "_npi_dsplit", "sort", "_npi_sort", "moments",
    "_contrib_box_nms", "_contrib_box_non_maximum_suppression", "_contrib_box_encode",
    "_contrib_bipartite_matching", "CTCLoss", "ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss", "_linalg_det",
    "linalg_det", "_npi_det", "_linalg_slogdet", "linalg_slogdet", "_npi_slogdet", "_linalg_gelqf", "linalg_gelqf",
    "_linalg_syevd", "_npi_svd", "_npi_average", "_npi_norm", "_histogram", "_npi_histogram",
})  # fmt: skip
# Operators that number their outputs when there are several.
COUNTED: dict[str, Callable[[Node], bool]] = {
    "topk": lambda node: node.attrs.get("ret_typ", "indices") in ("value", "both"),
    "_npx_topk": lambda node: node.attrs.get("ret_typ", "indices") in ("value", "both"),
    **dict.fromkeys(("_foreach", "_while_loop", "_cond", "amp_multicast"), lambda node: _many(node, "num_outputs")),
    **dict.fromkeys(("_np_atleast_1d", "_np_atleast_2d", "_np_atleast_3d"), lambda node: _many(node, "num_args")),
    **dict.fromkeys(
        ("_sample_multinomial", "sample_multinomial"), lambda node: node.attrs.get("get_prob") in ("True", "1")
    ),
    "_npi_unique": lambda node: any(node.attrs.get(f"return_{key}") in ("True", "1")
                                    for key in ("index", "inverse", "counts")),
}  # fmt: skip


def _many(node: Node, key: str) -> bool:
    return node.attrs.get(key, "1").strip() != "1"


def entry_name(node: Node, output: int) -> str:
    """The name of output ``output``; a variable has its own."""
    if node.is_variable:
        return node.name
    named = NAMED.get(node.op, ())
    if output < len(named):
        return f"{node.name}_{named[output]}"
    counted = COUNTED.get(node.op)
    if output or node.op in NUMBERED or (counted is not None and counted(node)):
        return f"{node.name}_output{output}"
    return f"{node.name}_output"
