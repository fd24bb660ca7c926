"""Padding: F.pad for constants; reflections and repetitions over any axes by index."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.integers import Int
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.pooling import pads_for_pool
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.hub.node import Node

MODES = {"reflect": "reflect", "edge": "replicate"}


@writes("Pad", only_if=rank_known)
def pad(net: NetWriter, node: Node) -> None:
    """Negative pads cut off; axes that are not named keep their size."""
    rank, mode = node.rank or 0, node.s("mode", "constant")
    items, axes = net.items(node, 1), _axes(net, node, rank)
    if items is None or axes is None:
        pads = net.ints(node, 1)
        named = net.ints(node, 3) if node.input(3) is not None else f"list(range({rank}))"
        value = _value(net, node)
        net.set(node, text.call(net.helper("pad"), net.x(node), pads, named, f'"{mode}"', value=value))
        return
    count = len(items) // 2
    pairs = {axis: (items[i], items[count + i]) for i, axis in enumerate(axes)}
    if mode == "constant" and _goes_into_pool(net, node, pairs):
        return
    if mode == "constant":
        net.set(node, text.call("F.pad", net.x(node), _pairs(pairs, rank), value=_value(net, node)))
    elif _torch_reflects(node, mode, pairs, rank):
        net.set(node, text.call("F.pad", net.x(node), _pairs(pairs, rank, 2), mode=f'"{MODES[mode]}"'))
    else:
        listed = [f"[{', '.join(item.text for item in items)}]", f"[{', '.join(str(axis) for axis in axes)}]"]
        net.set(node, text.call(net.helper("pad"), net.x(node), *listed, f'"{mode}"'))


def _goes_into_pool(net: NetWriter, node: Node, pairs: dict[int, tuple[Int, Int]]) -> bool:
    """Zeros around an average pooling become its padding; the pad itself is then not written."""
    spatial = range(2, node.rank or 0)
    ends = [[pairs.get(axis, (Int("0"), Int("0")))[end].value for axis in range(node.rank or 0)] for end in (0, 1)]
    if None in ends[0] + ends[1] or any(ends[0][:2]) or any(ends[1][:2]) or _value(net, node) is not None:
        return False
    begin, end = ([size or 0 for axis, size in enumerate(sizes) if axis in spatial] for sizes in ends)
    if min(begin, default=0) < 0 or not pads_for_pool(node, begin, end):
        return False
    net.pads_ahead[node.outputs[0]] = tuple(begin)
    net.alias_of(node.outputs[0], node.x(0))
    return True


def _axes(net: NetWriter, node: Node, rank: int) -> list[int] | None:
    if node.input(3) is None:
        return list(range(rank))
    items = net.as_ints(node.input(3))
    if items is None or any(item.value is None for item in items.items):
        return None
    return [(item.value or 0) % rank for item in items.items]


def _value(net: NetWriter, node: Node) -> str | None:
    value = node.input(2)
    if value is None:
        return None
    literal = net.scalar(value, 1)
    if literal in ("0", "0.0", "False"):
        return None
    if literal in ("True",):
        return "1"
    return literal if literal is not None else f"{net.plain(value)}.item()"


def _pairs(pairs: dict[int, tuple[Int, Int]], rank: int, first: int | None = None) -> str:
    """F.pad's argument: from the last axis to ``first``, or the first that is padded."""
    zero = (Int("0", True), Int("0", True))
    wanted = [axis for axis, pair in pairs.items() if any(item.value != 0 for item in pair)]
    first = min(wanted, default=rank - 1) if first is None else first
    parts = [item.text for axis in range(rank - 1, first - 1, -1) for item in pairs.get(axis, zero)]
    return text.tuple_of(parts)


def _torch_reflects(node: Node, mode: str, pairs: dict[int, tuple[Int, Int]], rank: int) -> bool:
    """torch reflects and repeats over the last axes of tensors with two more axes, by less than their size."""
    if mode not in MODES or rank not in (3, 4, 5):
        return False
    shape = node.shape() or ()
    for axis, pair in pairs.items():
        sizes = [item.value for item in pair]
        if axis < 2 and sizes != [0, 0]:
            return False
        if any(size is None or size < 0 for size in sizes):
            return False
        size = shape[axis]
        if mode == "reflect" and not (isinstance(size, int) and all((amount or 0) < size for amount in sizes)):
            return False
    return max(pairs, default=0) == rank - 1 and any(item.value for pair in pairs.values() for item in pair)
