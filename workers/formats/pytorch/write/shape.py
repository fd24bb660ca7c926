"""Shapes: reshaping, transposing, joining, splitting, slicing, and tensors made from a shape."""

from __future__ import annotations

import re

import numpy as np

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.convolution import list_of
from workers.formats.pytorch.write.integers import Int, Ints, literal
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import all_of, constant, rank_known, writes
from workers.formats.pytorch.write.types import WIDE_UNSIGNED, torch_name
from workers.hub.node import Node

FAR = 2**31 - 1


def dim_of(net: NetWriter, node: Node, index: int) -> Int:
    """The size of axis ``index`` of the first input: a literal where the hub knows it."""
    shape = node.shape()
    size = None if shape is None else shape[index]
    return literal(size) if isinstance(size, int) else Int(f"{net.plain(node.x(0))}.shape[{index}]", True)


@writes("Shape")
def shape_(net: NetWriter, node: Node) -> None:
    if node.rank is None:
        end = node.i("end") if node.has("end") else ""
        sliced = f"[{node.i('start') or ''}:{end}]" if node.has("end") or node.i("start") else ""
        net.set(node, f"torch.tensor({net.plain(node.x(0))}.shape{sliced})")
        return
    places = range(node.rank)[slice(node.i("start"), node.i("end") if node.has("end") else None)]
    net.bind_ints(node.outputs[0], Ints(tuple(dim_of(net, node, place) for place in places), False))


@writes("Size")
def size(net: NetWriter, node: Node) -> None:
    net.bind_ints(node.outputs[0], Ints((Int(f"{net.plain(node.x(0))}.numel()", True),), True))


@writes("Reshape")
def reshape(net: NetWriter, node: Node) -> None:
    """0 copies a size from the input, unless allowzero says that it is a size."""
    items, copies, x = net.items(node, 1), not node.i("allowzero"), net.x(node)
    if items is None or (copies and any(item.value is None and not item.natural for item in items)):
        function = net.helper("reshape_copying") if copies else "torch.reshape"
        net.set(node, text.call(function, x, net.ints(node, 1)))
        return
    given = [
        dim_of(net, node, place) if copies and item.value == 0 and place < (node.rank or 99) else item
        for place, item in enumerate(items)
    ]
    if copies and len(items) > 1 and items[-1].value == -1 and all(item.value == 0 for item in items[:-1]):
        rest = (node.rank or 0) - len(items)
        if rest >= 0:
            net.set(node, f"torch.flatten({x}, {len(items) - 1})" if rest else x)
            return
    net.set(node, f"{x}.reshape({', '.join(item.text for item in given) if given else '()'})")


@writes("Flatten")
def flatten(net: NetWriter, node: Node) -> None:
    """Always two axes: those before ``axis`` and those from it on."""
    first, x = axis(node, 1), net.x(node)
    if first == 1:
        net.set(node, f"torch.flatten({x}, 1)" if node.rank != 1 else f"{x}.reshape({x}.shape[0], 1)")
    elif first == 0:
        net.set(node, f"{x}.reshape(1, -1)")
    elif node.rank is not None and first in (node.rank, -1):
        last = "1" if first == node.rank else f"{x}.shape[-1]"
        net.set(node, f"{x}.reshape(-1, {last})")
    else:
        net.set(node, f"torch.flatten({x}, {first}).flatten(0, {first - 1})")


@writes("Transpose", only_if=lambda n: n.has("perm") or n.rank is not None or "the rank of its input is unknown")
def transpose(net: NetWriter, node: Node) -> None:
    order = node.ints("perm", tuple(reversed(range(node.rank or 0))))
    if order == (1, 0):
        net.set(node, f"{net.x(node)}.t()")
    else:
        net.set(node, text.call("torch.permute", net.x(node), tuple(order)))


@writes("Squeeze")
def squeeze(net: NetWriter, node: Node) -> None:
    axes = net.as_ints(node.input(1))
    if node.input(1) is None:
        net.set(node, f"{net.x(node)}.squeeze()")
    elif axes is None:
        net.set(node, f"{net.x(node)}.squeeze(tuple({net.ints(node, 1)}))")
    else:
        dims = [str(_front(item, node.rank)) for item in axes.items]
        net.set(node, f"{net.x(node)}.squeeze({dims[0] if len(dims) == 1 else text.tuple_of(dims)})")


def _front(item: Int, rank: int | None) -> int | str:
    """An axis counted from the front where that can be known."""
    return item.text if item.value is None or rank is None or not rank else item.value % rank


@writes("Unsqueeze")
def unsqueeze(net: NetWriter, node: Node) -> None:
    """Axes count in the result, so that they are inserted from the first to the last."""
    axes = net.as_ints(node.input(1))
    if axes is None or (node.rank is None and any((item.value or 0) < 0 for item in axes.items)):
        net.set(node, text.call(net.helper("unsqueeze_all"), net.x(node), net.ints(node, 1)))
        return
    rank = (node.rank or 0) + len(axes.items)
    places = [(item.value or 0) % rank if node.rank is not None else item.value or 0 for item in axes.items]
    net.set(node, net.x(node) + "".join(f".unsqueeze({place})" for place in sorted(places)))


@writes("Concat")
def concat(net: NetWriter, node: Node) -> None:
    given = [net.tensor(value) for value in node.inputs if value is not None]
    if len(given) == 1:
        net.alias_of(node.outputs[0], node.x(0))
        return
    net.set(node, f"torch.cat([{', '.join(given)}], dim={axis(node, 0)})")


@writes("Split")
def split(net: NetWriter, node: Node) -> None:
    """Without sizes all parts are alike but the last one, which may be smaller."""
    dim, count = axis(node, 0), len(node.outputs)
    if count == 1:
        net.alias_of(node.outputs[0], node.x(0))
        return
    if node.input(1) is None:
        size = dim_of(net, node, dim) if node.rank is not None else Int(f"{net.x(node)}.shape[{dim}]")
        parts = str(-(-size.value // count)) if size.value is not None else f"-(-{size} // {count})"
    else:
        items = net.items(node, 1)
        values = [item.value for item in items or ()]
        alike = bool(values) and values[0] is not None and all(value == values[0] for value in values)
        parts = str(values[0]) if alike else net.ints(node, 1)
    net.set_all(node, f"torch.split({net.x(node)}, {parts}, dim={dim})")


@writes("Slice")
def slice_(net: NetWriter, node: Node) -> None:
    """As Python slices, which clamp as ONNX does; torch has none that go backwards."""
    parts = [net.items(node, index) for index in range(1, 5)]
    starts, ends, axes, steps = parts
    simple = starts is not None and ends is not None and node.rank is not None
    simple = simple and (node.input(3) is None or (axes is not None and all(item.value is not None for item in axes)))
    simple = simple and (node.input(4) is None or all((item.value or 0) > 0 for item in steps or (Int("x"),)))
    if not simple or starts is None or ends is None:
        given = [net.ints(node, 1), net.ints(node, 2)]
        given += [net.ints(node, index) if node.input(index) is not None else "None" for index in (3, 4)]
        net.set(node, text.call(net.helper("slice_axes"), net.x(node), *given))
        return
    rank = node.rank or 0
    places = [(item.value or 0) % rank for item in axes] if axes else list(range(len(starts)))
    texts = [":"] * (max(places, default=-1) + 1)
    for i, place in enumerate(places):
        step = "" if not steps or steps[i].value == 1 else str(steps[i])
        texts[place] = _range(_bound(starts[i], 0), _bound(ends[i], FAR), step)
    while texts and texts[-1] == ":":
        texts.pop()
    if not texts:
        net.alias_of(node.outputs[0], node.x(0))
        return
    net.set(node, f"{net.x(node)}[{', '.join(texts)}]")


def _range(start: str, end: str, step: str) -> str:
    """A slice; with spaces around its colons where a bound is more than a name or a number."""
    parts = [start, end, *([step] if step else [])]
    if all(re.fullmatch(r"-?\w*", part) for part in parts):
        return ":".join(parts)
    return " : ".join(parts).strip()


def _bound(item: Int, usual: int) -> str:
    if item.value is not None and (item.value == usual or (usual == FAR and item.value >= FAR)):
        return ""
    return str(item)


@writes("Expand")
def expand(net: NetWriter, node: Node) -> None:
    """Either side may be 1; torch needs to know which, so that free sizes are broadcast at run time."""
    number = net.scalar(node.input(0))
    if number is not None:
        dtype = torch_name(node.dtype())
        net.set(node, text.call("torch.full", net.ints(node, 1), number, dtype=dtype, device=net.device))
        return
    items, shape, x = net.items(node, 1), node.shape(), net.x(node)
    sizes: list[str] | None = None
    if items is not None and shape is not None:
        offset = len(shape) - len(items)
        wanted = [Int("1")] * max(0, offset) + list(items)
        given = (1,) * max(0, -offset) + shape
        sizes = [_expanded(item, size) for item, size in zip(wanted, given, strict=True)]
    if sizes is None or "" in sizes:
        net.set(node, f"{x}.expand(torch.broadcast_shapes({x}.shape, {net.ints(node, 1)}))")
    else:
        net.set(node, f"{x}.expand({', '.join(sizes)})")


def _expanded(item: Int, size: int | str | None) -> str:
    """The argument of ``expand``; -1 keeps a size; empty when it depends on the run."""
    if size is None or size == 1:
        return item.text if size == 1 or item.value is not None else ""
    if item.value == 1:
        return "-1"
    return item.text if item.value is not None else ""


@writes("Tile")
def tile(net: NetWriter, node: Node) -> None:
    items = net.items(node, 1)
    repeats = net.ints(node, 1) if items is None else ", ".join(item.text for item in items)
    net.set(node, f"{net.x(node)}.repeat({repeats})" if repeats else net.x(node))


@writes("ConstantOfShape")
def constant_of_shape(net: NetWriter, node: Node) -> None:
    attribute = node.raw.attributes.get("value")
    value = np.zeros(1, np.float32) if attribute is None else attribute.as_tensor().numpy()
    dtype = torch_name(node.outputs[0].dtype)
    shape = net.ints(node, 0)
    filled = text.number(value.reshape(-1)[0])
    net.set(node, text.call("torch.full", shape, filled, dtype=dtype, device=net.device))


@writes("Range")
def range_(net: NetWriter, node: Node) -> None:
    """torch.arange refuses a range that runs the wrong way, which is empty in ONNX."""
    items = [net.as_ints(value) for value in node.inputs]
    dtype, device = node.outputs[0].dtype, net.device
    named = None if torch_name(dtype) == "torch.int64" else torch_name(dtype)
    if all(item is not None for item in items):
        start, limit, step = (item.items[0] for item in items if item is not None)
        if start.value == 0 and limit.natural and step.value == 1:
            net.set(node, text.call("torch.arange", limit.text, dtype=named, device=device))
            return
    given = [net.scalar(value) or f"{net.plain(value)}.item()" for value in node.inputs if value is not None]
    net.set(node, text.call(net.helper("arange"), *given, torch_name(dtype), device or "None"))


@writes("EyeLike", only_if=rank_known)
def eye_like(net: NetWriter, node: Node) -> None:
    x = net.x(node)
    dtype = torch_name(node.outputs[0].dtype)
    if torch_name(node.outputs[0].dtype) in {torch_name(wide) for wide in WIDE_UNSIGNED}:
        dtype = "torch.int64"
    if node.i("k"):
        ones = text.call("torch.ones", f"({x}.shape[0], {x}.shape[1])", dtype=dtype, device=f"{x}.device")
        net.set(node, f"torch.triu({ones}, {node.i('k')}).tril({node.i('k')})")
    else:
        net.set(node, text.call("torch.eye", f"{x}.shape[0]", f"{x}.shape[1]", dtype=dtype, device=f"{x}.device"))


@writes("Trilu")
def trilu(net: NetWriter, node: Node) -> None:
    function = "torch.triu" if node.i("upper", 1) else "torch.tril"
    offset = net.integer(node, 1) if node.input(1) is not None else None
    net.set(node, text.call(function, net.x(node), diagonal=None if offset == "0" else offset))


@writes("DepthToSpace", only_if=rank_known)
def depth_to_space(net: NetWriter, node: Node) -> None:
    """CRD is what torch calls a pixel shuffle; DCR takes the block from the outer channels."""
    block = node.i("blocksize")
    if node.s("mode", "DCR") == "CRD":
        net.layer(node, "nn.PixelShuffle", block, word="shuffle")
    else:
        net.set(node, text.call(net.helper("depth_to_space"), net.x(node), block))


@writes("SpaceToDepth", only_if=rank_known)
def space_to_depth(net: NetWriter, node: Node) -> None:
    net.set(node, text.call(net.helper("space_to_depth"), net.x(node), node.i("blocksize")))


@writes("CenterCropPad", only_if=all_of(rank_known, constant(1, "its target shape")))
def center_crop_pad(net: NetWriter, node: Node) -> None:
    axes = node.ints("axes", tuple(range(node.rank or 0)))
    net.set(node, text.call(net.helper("center_crop_pad"), net.x(node), net.ints(node, 1), list_of(axes)))


@writes("AffineGrid")
def affine_grid(net: NetWriter, node: Node) -> None:
    align = bool(node.i("align_corners"))
    net.set(node, text.call("F.affine_grid", net.x(node), net.ints(node, 1), align_corners=align))
