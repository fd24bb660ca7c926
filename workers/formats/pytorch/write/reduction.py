"""Reductions, extrema and their places, cumulative sums, sorting."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import FLOATS, INTEGERS, D, torch_name
from workers.hub.node import Node, shape_of


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
SUMS = frozenset({"ReduceSum", "ReduceL1", "ReduceSumSquare"})
ALONE = {
    "ReduceL1": "torch.abs({x})", "ReduceL2": "torch.abs({x})", "ReduceSumSquare": "torch.square({x})",
    "ReduceLogSum": "torch.log({x})",
}  # fmt: skip


@writes(*FORMULAS)
def reduce(net: NetWriter, node: Node) -> None:
    """Axes known: a plain call. Axes computed: an empty list of them means all, or none (noop_with_empty_axes)."""
    if node.input(1) is not None and net.as_ints(node.input(1)) is None:
        axes = net.fresh("axes")
        net.line(f"{axes} = {net.ints(node, 1)}")
        some = _formula(net, node, axes)
        rest = _alone(net, node) if node.i("noop_with_empty_axes") else _formula(net, node, _every(net, node))
        net.set(node, f"{some} if {axes} else {rest}")
        return
    dims = dims_of(net, node)
    if dims == "[]" and node.op not in ALONE:
        net.alias_of(node.outputs[0], node.x(0))
    elif dims == "[]":
        net.set(node, _alone(net, node))
    else:
        net.set(node, _formula(net, node, dims))


def _every(net: NetWriter, node: Node) -> str:
    """All axes as a tuple."""
    if node.rank is None:
        return f"tuple(range({net.x(node)}.dim()))"
    return text.tuple_of([str(i) for i in range(node.rank)]) if node.rank else "()"


def _formula(net: NetWriter, node: Node, dims: str | None) -> str:
    """Integers keep their type: torch would widen a sum and refuse a mean."""
    x, dtype, keep = net.x(node), node.dtype(), node.i("keepdims", 1)
    if _empty(node):
        x = _with_one(net, node, x)
    if dims is None and (keep or node.op == "ReduceLogSumExp"):
        dims = _every(net, node)
    arguments = ([f"dim={dims}"] if dims else []) + (["keepdim=True"] if keep and dims else [])
    if dtype in INTEGERS and node.op in SUMS:
        arguments.append(f"dtype={_kept(net, node)}")
    if dtype in INTEGERS and node.op not in SUMS | {"ReduceMax", "ReduceMin"}:
        wide = FORMULAS[node.op].format(x=f"{x}.to(torch.float64)", arguments=", ".join(arguments))
        return f"{wide}.to({_kept(net, node)})"
    return FORMULAS[node.op].format(x=x, arguments=", ".join(arguments))


def _kept(net: NetWriter, node: Node) -> str:
    """The type of an integer result; wide unsigned ones are computed in int64."""
    name = torch_name(node.dtype())
    return "torch.int64" if name in WIDE else name


def _alone(net: NetWriter, node: Node) -> str:
    """No axes: each element is reduced by itself."""
    return ALONE.get(node.op, "{x}").format(x=net.x(node))


WIDE = frozenset({"torch.uint16", "torch.uint32", "torch.uint64"})


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


@writes("ReduceProd")
def reduce_prod(net: NetWriter, node: Node) -> None:
    """torch multiplies over one axis at a time."""
    if node.input(1) is not None and net.as_ints(node.input(1)) is None:
        flags = (bool(node.i("keepdims", 1)), bool(node.i("noop_with_empty_axes")))
        net.set(node, text.call(net.helper("product"), net.x(node), net.ints(node, 1), *flags))
        return
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
    dim, x = net.integer(node, 1), net.x(node)
    if node.i("exclusive") or node.i("reverse"):
        call = text.call(net.helper("cumulative_sum"), x, dim, bool(node.i("exclusive")), bool(node.i("reverse")))
        net.set(node, call)
    else:
        net.set(node, f"torch.cumsum({x}, dim={dim}, dtype={x}.dtype)")


@writes("TopK")
def top_k(net: NetWriter, node: Node) -> None:
    """Of equal values the one with the lower index comes first: a stable sort keeps that, torch.topk does not."""
    call = text.call(net.helper("top_k"), net.x(node), net.integer(node, 1), axis(node, -1), bool(node.i("largest", 1)))
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
