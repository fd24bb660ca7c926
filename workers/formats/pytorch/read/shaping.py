"""Lists of sizes, some of them symbols, as ONNX wants them: reshaping, expanding, slicing in few nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from workers.formats.pytorch.read.layer import Layer, Size, product
from workers.formats.pytorch.read.symbols import Expr, Sym, expr_of, of_value
from workers.hub.graph import GraphBuilder, Value


def size_list(layer: Layer, sizes: Any) -> list[Size]:
    """Sizes as numbers and symbols; tensors without axes among them become either."""
    if not isinstance(sizes, list | tuple):
        sizes = [sizes]
    return [size_of(layer, size) for size in sizes]


def size_of(layer: Layer, size: Any) -> Size:
    if isinstance(size, ir.Value):
        known = layer.known(size)
        if known is not None:
            return int(known.reshape(()))
        return layer.scope.scalars.get(size) or of_value(size, "int")
    if isinstance(size, Sym):
        constant = size.expr.constant if size.expr is not None else None
        return size if constant is None else constant
    if isinstance(size, float):
        return int(size)
    if not isinstance(size, int):
        raise layer.malformed(f"{size!r} is no size")
    return int(size)


def as_vector(g: GraphBuilder, sizes: Sequence[Size]) -> Value:
    """Sizes as an int64 vector."""
    if all(isinstance(size, int) for size in sizes):
        return g.constant([int(size) for size in sizes if isinstance(size, int)])
    if len(sizes) == 1 and isinstance(sizes[0], Sym):
        return sizes[0].vector(g)
    return g.Concat(*(g.constant([s]) if isinstance(s, int) else s.vector(g) for s in sizes), axis=0)


def sound(layer: Layer, sizes: Sequence[Size], least: int = 0) -> list[Size]:
    """The sizes, none of them below ``least``: inference of ONNX does not survive a negative one."""
    if any(isinstance(size, int) and not least <= size < 1 << 48 for size in sizes):
        raise layer.malformed(f"it asks for the shape {[s if isinstance(s, int) else '?' for s in sizes]}")
    return list(sizes)


def same(a: Size, b: Size) -> bool:
    """Whether two sizes are surely equal."""
    if a is b:
        return True
    first, second = expr_of(a), expr_of(b)
    return first is not None and first == second


def reshape(g: GraphBuilder, layer: Layer, x: Value, sizes: Sequence[Size]) -> Value:
    """``x`` with these sizes, one of which may be -1."""
    own = layer.dims(x) if x.shape is not None else []
    target = _resolved(layer, product(own) if x.shape is not None else None, sound(layer, sizes, -1))
    if x.shape is not None and len(own) == len(target) and all(map(same, own, target)):
        return x
    if any(size == 0 for size in target if isinstance(size, int)):
        return layer.shaped(g.Reshape(x, as_vector(g, target), allowzero=1), target)
    plain: list[Size] = [0 if isinstance(s, Sym) and i < len(own) and same(own[i], s) else s for i, s in
                         enumerate(target)]  # fmt: skip
    plain = [-1 if isinstance(size, Sym) and size.make is _never else size for size in plain]
    free = [index for index, size in enumerate(plain) if isinstance(size, Sym)]
    if len(free) == 1 and -1 not in [size for size in plain if isinstance(size, int)]:
        plain[free[0]] = -1
    known: list[Size | None] = [None if isinstance(size, int) and size < 0 else size for size in target]
    return layer.shaped(g.Reshape(x, as_vector(g, plain)), known)


def _resolved(layer: Layer, total: Expr | None, sizes: list[Size]) -> list[Size]:
    """The sizes with -1 replaced where it can be told. Raises FreeAxis when numbers contradict a free axis."""
    if total is None:
        return sizes
    open_ = [index for index, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    rest = product([size for size in sizes if not (isinstance(size, int) and size == -1)])
    if rest is None or len(open_) > 1:
        return sizes
    if not open_:
        _check(layer, total, rest)
        return sizes
    size = total.over(rest)
    if size is None:
        if total.constant is None or rest.constant is None:
            if rest.constant is not None:
                raise layer.free(f"it takes its input apart by fixed sizes, {total} elements in rows of {rest}")
            return sizes
        if rest.constant == 0:
            return sizes
        raise layer.malformed(f"{total} elements do not fit a shape of {rest}")
    constant = size.constant
    sizes[open_[0]] = constant if constant is not None else Sym("int", _never, size)
    return sizes


def _never(g: GraphBuilder) -> Value:
    raise AssertionError("a size taken from an open place is never asked for")


def _check(layer: Layer, total: Expr, wanted: Expr) -> None:
    if (total - wanted).constant == 0:
        return
    if total.constant is not None and wanted.constant is not None:
        raise layer.malformed(f"{total} elements do not fit a shape of {wanted}")
    if wanted.constant is not None:
        raise layer.free(f"it gives its output the fixed shape of {wanted} elements")


def expand(g: GraphBuilder, layer: Layer, x: Value, sizes: Sequence[Size]) -> Value:
    """``x`` repeated along axes of size 1; -1 keeps an axis; new axes come in front."""
    own = layer.dims(x)
    pad = len(sound(layer, sizes, -1)) - len(own)
    if pad < 0:
        raise layer.malformed(f"a tensor of {len(own)} axes cannot be expanded to {len(sizes)}")
    target: list[Size] = []
    for index, size in enumerate(sizes):
        keeps = isinstance(size, int) and size == -1
        target.append(own[index - pad] if keeps and index >= pad else size)
    if pad == 0 and all(map(same, own, target)):
        return x
    for mine, wanted in zip(own, target[pad:], strict=True):
        if isinstance(mine, int) and mine > 1 and isinstance(wanted, Sym) and wanted.expr is not None:
            raise layer.free(f"a size of {mine} meets the free axis {wanted.expr}")
    return layer.shaped(g.Expand(x, as_vector(g, target)), target)


def squeeze(g: GraphBuilder, layer: Layer, x: Value, axes: Sequence[int]) -> Value:
    return g.Squeeze(x, list(axes)) if axes else x


def slice_(
    g: GraphBuilder, layer: Layer, x: Value, axis: int, start: Size, end: Size | None, step: int = 1
) -> Value:  # fmt: skip
    """``x[start:end:step]`` along ``axis``; None is the end of the axis."""
    size = layer.dim(x, axis)
    if step < 1:
        raise layer.malformed(f"its step is {step}")
    begin = expr_of(start)
    if begin is not None and begin.constant == 0 and step == 1 and (end is None or _at_least(end, size)):
        return x
    stop: Size = end if end is not None else (1 << 63) - 1
    made = g.Slice(x, as_vector(g, [start]), as_vector(g, [stop]), [axis], [step])
    dims: list[Size | None] = [*layer.dims(x)]
    dims[axis] = _length(start, end, size, step)
    return layer.shaped(made, dims)


def _at_least(a: Size, b: Size) -> bool:
    if isinstance(a, int) and a >= 1 << 31:
        return True
    first, second = expr_of(a), expr_of(b)
    return first is not None and second is not None and (first - second).sign() in (0, 1)


def _length(start: Size, end: Size | None, size: Size, step: int) -> Size | None:
    """How many positions a slice has, where the numbers decide it."""
    total = expr_of(size)
    first = expr_of(start)
    last = total if end is None else expr_of(end)
    if total is None or first is None or last is None:
        return None
    first, last = (_from_front(expr, total) for expr in (first, last))
    if first is None or last is None:
        return None
    if (last - total).sign() in (0, 1):
        last = total
    elif (total - last).sign() is None:
        return None
    length = last - first
    if length.constant is not None:
        return max(0, -(-length.constant // step))
    if step != 1 or (length.sign() is None and (total - first).sign() is None):
        return None
    return Sym("int", _never, length) if length.sign() == 1 else None


def _from_front(position: Expr, total: Expr) -> Expr | None:
    """A position counted from the front; None when its sign is open."""
    sign = position.sign()
    if sign is None:
        return None
    if sign >= 0:
        return position
    found = total + position
    return found if found.sign() in (0, 1) else Expr.of(0) if total.constant is not None else None
