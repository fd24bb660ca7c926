"""Graphs of old releases in today's words: what MXNet does itself when it loads such a file."""

from __future__ import annotations

from dataclasses import replace

from workers.formats.mxnet.symbol import Entry, Node, Symbol

# Operators whose auxiliary states were not among the inputs before 0.9, with all their inputs' names.
AUXILIARY = {
    "BatchNorm": ("data", "gamma", "beta", "moving_mean", "moving_var"),
    "CuDNNBatchNorm": ("data", "gamma", "beta", "moving_mean", "moving_var"),
    "IdentityAttachKLSparseReg": ("data", "moving_avg"),
}
# Spellings that MXNet knows as the same operator throughout, too many to register one by one.
SPARSE_PREFIX, KEPT_SPARSE = "_sparse_", ("_sparse_retain",)


def upgrade(symbol: Symbol) -> Symbol:
    """The graph as MXNet 1.9 would hold it after loading, sub-graphs included."""
    nodes = [_renamed(node) for node in symbol.nodes]
    if symbol.version < 900:
        nodes = _with_auxiliary(nodes)
    if symbol.version < 905:
        nodes = [_flat_arg(node) for node in nodes]
    return replace(symbol, nodes=tuple(nodes))


def generation(symbol: Symbol) -> str:
    """In words: ``MXNet 0.9.5``."""
    if symbol.version == 800:
        return "MXNet before 0.9"
    return f"MXNet {symbol.version // 10000}.{symbol.version // 100 % 100}.{symbol.version % 100}"


def _renamed(node: Node) -> Node:
    op = node.op
    if op.startswith(SPARSE_PREFIX) and op not in KEPT_SPARSE:
        op = op.removeprefix(SPARSE_PREFIX)
    return replace(node, op=op, subgraphs=tuple(upgrade(graph) for graph in node.subgraphs))


def _with_auxiliary(nodes: list[Node]) -> list[Node]:
    """A BatchNorm with three inputs gets the variables NAME_moving_mean and NAME_moving_var, put behind all nodes."""
    result = list(nodes)
    for index, node in enumerate(nodes):
        names = AUXILIARY.get(node.op, ())
        missing = names[len(node.inputs) :]
        if not missing or not node.inputs:
            continue
        added: list[Entry] = []
        for name in missing:
            added.append((len(result), 0))
            result.append(Node("null", f"{node.name}_{name}"))
        result[index] = replace(node, inputs=(*node.inputs, *added))
    return result


def _flat_arg(node: Node) -> Node:
    """Until 0.9.4 axis=-1 of argmax and argmin meant no axis: over the flattened array."""
    if node.op in ("argmax", "argmin") and node.attrs.get("axis", "").strip() == "-1":
        return replace(node, attrs={key: value for key, value in node.attrs.items() if key != "axis"})
    return node
