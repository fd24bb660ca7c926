"""Reductions, extrema and their places, cumulative sums, sorting."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import FLOATS, INTEGERS, D, torch_name
from workers.hub.node import Node, shape_of

FLOATING = frozenset({"ReduceL2", "ReduceLogSum", "ReduceLogSumExp"})


def dims_of(net: NetWriter, node: Node) -> str | None:
    """The axes as a tuple, ``[]`` where there are none to reduce, None for all of them."""
    value = node.input(1)
    if value is None:
        return "[]" if node.i("noop_with_empty_axes") else None
    known = net.as_ints(value)
    if known is None:
        return net.ints(node, 1)
    if not known.items:
        return "[]" if node.i("noop_with_empty_axes") else None
    rank = node.rank
    dims = [item.value % rank if rank and item.value is not None else item.text for item in known.items]
    return str(dims[0]) if len(dims) == 1 else text.tuple_of([str(dim) for dim in dims])


FORMULAS = {
    "ReduceSum": "{x}.sum({arguments})",
    "ReduceMean": "{x}.mean({arguments})",
    "ReduceMax": "{x}.amax({arguments})",
    "ReduceMin": "{x}.amin({arguments})",
    "ReduceL1": "{x}.abs().sum({arguments})",
    "ReduceL2": "{x}.square().sum({arguments}).sqrt()",
    "ReduceSumSquare": "{x}.square().sum({arguments})",
    "ReduceLogSum": "{x}.sum({arguments}).log()",
    "ReduceLogSumExp": "torch.logsumexp({x}, {arguments})",
}


def _some_axes(node: Node) -> bool | str:
    computed = node.input(1) is not None and node.const(1) is None
    return not computed or node.op != "ReduceProd" or "its axes are computed at run time"


@writes(*FORMULAS)
def reduce(net: NetWriter, node: Node) -> None:
    """Integers keep their type: torch would widen a sum and refuse a mean."""
    dims, keep = dims_of(net, node), node.i("keepdims", 1)
    if dims == "[]":
        _nothing_reduced(net, node)
        return
    x, dtype = net.x(node), node.dtype()
    empty = _empty(node)
    if empty:
        x = _with_one(net, node, x)
    if dims is None and node.op == "ReduceLogSumExp":
        dims = text.tuple_of([str(i) for i in range(node.rank or 0)]) if node.rank else f"tuple(range({x}.dim()))"
    if node.input(1) is not None and node.const(1) is None and not net.is_ints(node.input(1)):
        dims = f"{dims} or None" if not node.i("noop_with_empty_axes") else dims
    if dims is None and keep:
        dims = f"tuple(range({x}.dim()))" if node.rank is None else text.tuple_of([str(i) for i in range(node.rank)])
        dims = "0" if node.rank == 1 else dims
    arguments = ", ".join(([f"dim={dims}"] if dims else []) + (["keepdim=True"] if keep and dims else []))
    if dtype in INTEGERS and node.op in ("ReduceSum", "ReduceL1", "ReduceSumSquare"):
        kept = "torch.int64" if net.carried and torch_name(dtype) in WIDE else torch_name(dtype)
        arguments = f"{arguments}, dtype={kept}" if arguments else f"dtype={kept}"
    if dtype in INTEGERS and node.op in FLOATING | {"ReduceMean"}:
        wide = FORMULAS[node.op].format(x=f"{x}.to(torch.float64)", arguments=arguments)
        net.set(node, f"{wide}.to({torch_name(dtype)})")
        return
    net.set(node, FORMULAS[node.op].format(x=x, arguments=arguments))


WIDE = frozenset({"torch.uint16", "torch.uint32", "torch.uint64"})


def _nothing_reduced(net: NetWriter, node: Node) -> None:
    """noop_with_empty_axes: each element is reduced alone."""
    alone = {
        "ReduceL1": "torch.abs({x})", "ReduceL2": "torch.abs({x})", "ReduceSumSquare": "torch.square({x})",
        "ReduceLogSum": "torch.log({x})",
    }.get(node.op)  # fmt: skip
    if alone is None:
        net.alias_of(node.outputs[0], node.x(0))
    else:
        net.set(node, alone.format(x=net.x(node)))


def _empty(node: Node) -> bool:
    """Whether an axis of size 0 may be reduced, over which torch has no extremum."""
    shape = shape_of(node.x(0))
    return node.op in ("ReduceMax", "ReduceMin") and shape is not None and 0 in shape


def _with_one(net: NetWriter, node: Node, x: str) -> str:
    """``x`` with the neutral element added along the reduced axes that are empty."""
    dtype = node.dtype()
    if dtype in FLOATS:
        value = "-math.inf" if node.op == "ReduceMax" else "math.inf"
    elif dtype is D.BOOL:
        value = str(node.op == "ReduceMin")
    else:
        value = f"torch.iinfo({x}.dtype).{'min' if node.op == 'ReduceMax' else 'max'}"
    axes = net.as_ints(node.input(1))
    shape = node.shape() or ()
    dims = [(item.value or 0) % len(shape) for item in axes.items] if axes is not None else list(range(len(shape)))
    pads = [str(int(dim in dims and shape[dim] == 0)) for i in range(len(shape)) for dim in [len(shape) - 1 - i]]
    return f"F.pad({x}, {text.tuple_of([each for pad in pads for each in ('0', pad)])}, value={value})"


@writes("ReduceProd", only_if=_some_axes)
def reduce_prod(net: NetWriter, node: Node) -> None:
    """torch multiplies over one axis at a time."""
    dims, keep, rank = dims_of(net, node), node.i("keepdims", 1), node.rank
    if dims == "[]":
        net.alias_of(node.outputs[0], node.x(0))
        return
    dtype = "torch.int64" if torch_name(node.dtype()) in WIDE else torch_name(node.dtype())
    narrow = f", dtype={dtype}" if node.dtype() in INTEGERS else ""
    if dims is None and (not keep or rank is None):
        x = net.x(node)
        total = f"{x}.prod({narrow[2:]})"
        net.set(node, f"{total}.reshape([1] * {x}.dim())" if keep else total)
        return
    axes = list(range(rank or 0)) if dims is None else sorted(int(dim) for dim in dims.strip("(),").split(","))
    result = net.x(node)
    for dim in reversed(axes):
        result = f"{result}.prod(dim={dim}, keepdim={bool(keep)}{narrow})"
    net.set(node, result)


@writes("ArgMax", "ArgMin")
def arg_extreme(net: NetWriter, node: Node) -> None:
    """torch gives the first of equal extrema; the last one is the first of the reversed tensor."""
    function = "argmax" if node.op == "ArgMax" else "argmin"
    x, dim, keep = net.x(node), axis(node, 0), "True" if node.i("keepdims", 1) else None
    if node.i("select_last_index"):
        place = text.call(f"{x}.flip({dim}).{function}", dim=dim, keepdim=keep)
        net.set(node, f"{x}.shape[{dim}] - 1 - {place}")
    else:
        net.set(node, text.call(f"{x}.{function}", dim=dim, keepdim=keep))


@writes("CumSum")
def cum_sum(net: NetWriter, node: Node) -> None:
    dim, x = net.int(node, 1), net.x(node)
    if node.i("exclusive") or node.i("reverse"):
        call = text.call(net.helper("cumulative_sum"), x, dim, bool(node.i("exclusive")), bool(node.i("reverse")))
        net.set(node, call)
    else:
        net.set(node, f"torch.cumsum({x}, dim={dim}, dtype={x}.dtype)")


@writes("TopK")
def top_k(net: NetWriter, node: Node) -> None:
    """Of equal values the one with the lower index comes first: a stable sort keeps that, torch.topk does not."""
    call = text.call(net.helper("top_k"), net.x(node), net.int(node, 1), axis(node, -1), bool(node.i("largest", 1)))
    net.set_all(node, call)


@writes("Unique")
def unique(net: NetWriter, node: Node) -> None:
    dim = node.i("axis") if node.has("axis") else None
    call = text.call(net.helper("unique"), net.x(node), "None" if dim is None else dim, bool(node.i("sorted", 1)))
    count = len(node.outputs)
    net.set_all(node, call if count == 4 else f"{call}[0]" if count == 1 else f"{call}[:{count}]")


@writes("NonZero")
def non_zero(net: NetWriter, node: Node) -> None:
    net.set(node, f"torch.nonzero({net.x(node)}).t()")
