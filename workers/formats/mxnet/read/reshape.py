"""Reshape in all its dialects: the codes of MXNet, of its numpy interface, and shapes taken from other values.

MXNet's 0 is no index as ONNX's is: it stands for the source's next axis, and other codes move that place. The target
is therefore worked out here, free axes included, and handed to ONNX as numbers wherever possible.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.dims import over, times
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.shaping import reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("Reshape", "reshape")
def reshape(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Codes: 0 copies an axis, -1 takes the rest, -2 copies all that is left, -3 joins two, -4 a b splits one."""
    have = layer.shape(x)
    codes = layer.integers("shape")
    if not codes:
        return _legacy(g, layer, x)
    if layer.flag("reverse", False):
        return reshaped(g, layer, x, _target(layer, have[::-1], codes[::-1])[::-1])
    return reshaped(g, layer, x, _target(layer, have, codes))


def _legacy(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Before 0.7: ``target_shape``, one 0 of which is inferred; ``keep_highest`` keeps the first axis."""
    want: list[Dim] = [*layer.integers("target_shape")]
    if not want:
        raise layer.malformed("it has no shape")
    have = layer.shape(x)
    if layer.flag("keep_highest", False):
        want[0] = have[0]
    if want.count(0) > 1:
        raise layer.malformed(f"its target_shape {want} leaves more than one size open")
    rest = over(times(have), times(dim for dim in want if dim != 0))
    return reshaped(g, layer, x, [rest if dim == 0 else dim for dim in want])


def _target(layer: Layer, have: Sequence[Dim], codes: Sequence[int]) -> list[Dim]:
    walk = _Walk(layer, have, codes)
    while walk.place < len(codes):
        walk.step(codes[walk.place])
    return walk.finish()


class _Walk:
    """Two places move: one through the codes, one through the source's axes."""

    def __init__(self, layer: Layer, have: Sequence[Dim], codes: Sequence[int]) -> None:
        self.layer = layer
        self.have = have
        self.codes = codes
        self.place = 0
        self.source = 0
        self.want: list[Dim] = []
        self.open: int | None = None

    def malformed(self) -> Exception:
        return self.layer.malformed(f"its shape {list(self.codes)} does not fit an input of shape {list(self.have)}")

    def next(self) -> Dim:
        """The source's next axis."""
        if self.source >= len(self.have):
            raise self.malformed()
        self.source += 1
        return self.have[self.source - 1]

    def leave_open(self) -> None:
        if self.open is not None:
            raise self.malformed()
        self.open = len(self.want)
        self.want.append(1)
        self.source += 1

    def step(self, code: int) -> None:
        self.place += 1
        if code == 0:
            self.want.append(self.next())
        elif code > 0:
            self.want.append(code)
            self.source += 1
        elif code == -1:
            self.leave_open()
        elif code == -2:
            self.want.extend(self.have[self.source :])
            self.source = len(self.have)
        elif code == -3:
            self.want.append(times([self.next(), self.next()]))
        elif code == -4:
            self.split()
        else:
            raise self.malformed()

    def split(self) -> None:
        """-4 a b: the next axis as a times b, of which one may be -1."""
        whole = self.next()
        parts = list(self.codes[self.place : self.place + 2])
        self.place += 2
        if len(parts) != 2 or parts.count(-1) > 1 or any(part < 1 and part != -1 for part in parts):
            raise self.malformed()
        given = next(part for part in parts if part != -1)
        rest = over(whole, given)
        if -1 in parts and rest is None:
            raise self.malformed() if isinstance(whole, int) else self.layer.free(f"it splits a free axis by {given}")
        self.want.extend(rest if part == -1 else part for part in parts)

    def finish(self) -> list[Dim]:
        if self.open is not None:
            self.want[self.open] = over(times(self.have), times(self.want))
            if self.want[self.open] is None and all(isinstance(dim, int) for dim in [*self.have, *self.want]):
                raise self.malformed()
        return self.want


@reads("_npx_reshape", "_npi_reshape")
def npx_reshape(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Codes: -1 takes the rest, -2 copies an axis, -3 drops one of size 1, -4 copies all that is left, -5 joins two,
    -6 a b splits one."""
    _in_c_order(layer)
    have, codes = layer.shape(x), layer.integers("newshape")
    if layer.flag("reverse", False):
        return reshaped(g, layer, x, _npx_target(layer, have[::-1], codes[::-1])[::-1])
    return reshaped(g, layer, x, _npx_target(layer, have, codes))


def _npx_target(layer: Layer, have: Sequence[Dim], codes: Sequence[int]) -> list[Dim]:
    """The walk above in its own words: the codes differ, what they do does not; explicit sizes use up an axis, too."""
    walk = _Walk(layer, have, codes)
    same = {-1: -1, -2: 0, -4: -2, -5: -3, -6: -4}
    while walk.place < len(codes):
        code = codes[walk.place]
        if code == -3:
            walk.place += 1
            if walk.next() != 1:
                raise walk.malformed()
        elif code < 0 and code not in same:
            raise walk.malformed()
        elif code == 0:
            walk.place += 1
            walk.want.append(0)
            walk.source += 1
        else:
            walk.step(same.get(code, code))
    return walk.finish()


@reads("_np_reshape")
def np_reshape(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """numpy's own: one -1 takes the rest, all other sizes are meant as they stand."""
    _in_c_order(layer)
    want: list[Dim] = [*layer.integers("newshape")]
    if want.count(-1) > 1:
        raise layer.malformed(f"its shape {want} leaves more than one size open")
    rest = over(times(layer.shape(x)), times(dim for dim in want if dim != -1))
    return reshaped(g, layer, x, [rest if dim == -1 else dim for dim in want])


def _in_c_order(layer: Layer) -> None:
    if layer.word("order", "C") != "C":
        raise layer.unsupported("ONNX keeps arrays in C order only")


@reads("Flatten", "flatten", "_npx_batch_flatten")
def flatten(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, all the rest]."""
    have = layer.shape(x)
    layer.rank(x, *range(1, 33))
    return x if len(have) == 2 else reshaped(g, layer, x, [have[0], times(have[1:])])


@reads("reshape_like", "_npx_reshape_like")
def reshape_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """The axes [lhs_begin, lhs_end) of the first replaced by [rhs_begin, rhs_end) of the second; all by default."""
    have, other = layer.shape(x), layer.shape(like)
    first, last = _range(layer, "lhs", len(have))
    start, stop = _range(layer, "rhs", len(other))
    return reshaped(g, layer, x, [*have[:first], *other[start:stop], *have[last:]])


def _range(layer: Layer, side: str, rank: int) -> tuple[int, int]:
    begin, end = layer.integer(f"{side}_begin", 0), layer.integer(f"{side}_end", rank)
    begin, end = begin + rank if begin < 0 else begin, end + rank if end < 0 else end
    if not 0 <= begin <= end <= rank:
        raise layer.malformed(f"{side}_begin and {side}_end do not fit an input of {rank} axes")
    return begin, end


@reads("expand_dims", "_npi_expand_dims")
def expand_dims(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A new axis of size 1 in front of ``axis``; negative ones count in the result."""
    return g.Unsqueeze(x, [layer.axis(layer.integer("axis"), len(layer.shape(x)), extra=1)])


@reads("squeeze", "_np_squeeze", "_npi_squeeze")
def squeeze(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Without the axes named, or without all of size 1; at least one axis is left outside numpy's rules."""
    have = layer.shape(x)
    axes = sorted(layer.axis(axis, len(have)) for axis in layer.integers("axis"))
    if not axes:
        if any(not isinstance(dim, int) for dim in have):
            raise layer.free("it drops all axes of size 1, of which a free one could be")
        axes = [axis for axis, dim in enumerate(have) if dim == 1]
    elif any(isinstance(have[axis], int) and have[axis] != 1 for axis in axes):
        raise layer.malformed(f"axes {axes} of an input of shape {list(have)} are not all of size 1")
    elif any(have[axis] != 1 for axis in axes):
        raise layer.free("it drops a free axis")
    if len(axes) == len(have) and layer.type == "squeeze" and not layer.scope.np_shape:
        axes = axes[1:]
    return g.Squeeze(x, axes) if axes else x
