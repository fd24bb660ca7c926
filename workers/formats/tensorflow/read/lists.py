"""TensorList (TF2) and TensorArray (TF1): an ordered list of equally shaped tensors, as one tensor along axis 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import F32, I32
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, Opaque, TensorList, Value, cast, handles, whole
from workers.formats.tensorflow.read.network import Scope, what_is
from workers.hub.node import Dim


class ReadInLoop(Exception):
    """A list that a loop fills is read in it, or filled in no order: it must be carried as one tensor."""

    def __init__(self, mark: int) -> None:
        super().__init__(str(mark))
        self.mark = mark


def _list(layer: Layer, entity: Entity) -> TensorList:
    if isinstance(entity, TensorList):
        return entity
    if isinstance(entity, ir.Value) and layer.shape(entity):
        return TensorList(layer.element(entity), entity)
    raise layer.unsupported(f"its list is {what_is(entity) if not isinstance(entity, ir.Value) else 'a tensor'}")


def _value(layer: Layer, entity: Entity) -> Value:
    if not isinstance(entity, ir.Value):
        raise layer.unsupported(f"one of its inputs is {what_is(entity)}")
    return entity


def materialise(g: Builder, layer: Layer, found: TensorList) -> Value:
    """The list as one tensor, its items along axis 0."""
    if found.mark is not None:
        raise ReadInLoop(found.mark)
    base = found.dense
    places = [None if place is None else g.numbers(place) for place, _ in found.writes]
    total = g.numbers(found.size)
    if base is None and found.writes:
        count = len(places)
        pushed = all(place is None for place, _ in found.writes)
        by_place = {place[0]: item for place, (_, item) in zip(places, found.writes, strict=True) if place}
        if pushed or (total == (count,) and sorted(by_place) == list(range(count))):
            items = [item for _, item in found.writes] if pushed else [by_place[i] for i in range(count)]
            return g.Concat(*(g.Unsqueeze(item, [0]) for item in items), axis=0)
    if base is None:
        base = _zeros(g, layer, found)
    for place, item in found.writes:
        if place is None:
            base = g.Concat(base, g.Unsqueeze(item, [0]), axis=0)
        else:
            base = g.ScatterND(base, g.Reshape(whole(g, place), [1, 1]), g.Unsqueeze(item, [0]))
    return base


def _zeros(g: Builder, layer: Layer, found: TensorList) -> Value:
    element = found.element
    if element is None and found.writes:
        element = layer.shape(found.writes[0][1])
    if element is None or found.size is None:
        raise layer.unsupported("the shape of its list's items is not known before they are written")
    if all(isinstance(dim, int) for dim in element):
        tail: Value = g.constant(np.array(element, np.int64))
    elif found.writes:
        tail = g.Shape(found.writes[0][1])
    else:
        raise layer.free("it makes a list of items with a free axis before any is written")
    shape = g.Concat(g.Reshape(whole(g, found.size), [1]), tail, axis=0)
    return g.Expand(np.zeros([1] * (1 + len(element)), found.dtype.numpy()), shape)


def _element(g: Builder, x: Entity) -> tuple[Dim, ...] | None:
    """The item shape that a list operator's input states: -1 alone or as an axis is unknown."""
    known = g.contents(x) if isinstance(x, ir.Value) else None
    if known is None or known.scalar:
        return None
    return tuple(None if item == -1 else item for item in known.items)


# --- TF2 --------------------------------------------------------------------------------------------------------------


@handles("TensorListFromTensor")
def tensor_list_from_tensor(scope: Scope, layer: Layer, x: Entity, shape: Entity) -> TensorList:
    value = _value(layer, x)
    return TensorList(layer.element(value), value)


@handles("TensorListReserve")
def tensor_list_reserve(scope: Scope, layer: Layer, shape: Entity, count: Entity) -> TensorList:
    return TensorList(layer.dtype("element_dtype"), None, (), _value(layer, count), _element(scope.g, shape))


@handles("EmptyTensorList")
def empty_tensor_list(scope: Scope, layer: Layer, shape: Entity, most: Entity) -> TensorList:
    return TensorList(layer.dtype("element_dtype"), None, (), None, _element(scope.g, shape))


@handles("TensorListPushBack")
def tensor_list_push_back(scope: Scope, layer: Layer, handle: Entity, item: Entity) -> TensorList:
    found = _list(layer, handle)
    return replace(found, writes=(*found.writes, (None, _value(layer, item))))


@handles("TensorListSetItem")
def tensor_list_set_item(scope: Scope, layer: Layer, handle: Entity, index: Entity, item: Entity) -> TensorList:
    found = _list(layer, handle)
    return replace(found, writes=(*found.writes, (_value(layer, index), _value(layer, item))))


@handles("TensorListGetItem")
def tensor_list_get_item(scope: Scope, layer: Layer, handle: Entity, index: Entity, *shape: Entity) -> Value:
    return _item(scope.g, layer, _list(layer, handle), _value(layer, index))


def _item(g: Builder, layer: Layer, found: TensorList, index: Value) -> Value:
    place = g.numbers(index)
    for written, item in reversed(found.writes):
        if written is index or (place is not None and written is not None and g.numbers(written) == place):
            return item
        if written is None or g.numbers(written) is None:
            break
    return g.Gather(materialise(g, layer, found), whole(g, index), axis=0)


@handles("TensorListStack")
def tensor_list_stack(scope: Scope, layer: Layer, handle: Entity, *shape: Entity) -> Value:
    return materialise(scope.g, layer, _list(layer, handle))


@handles("TensorListLength")
def tensor_list_length(scope: Scope, layer: Layer, handle: Entity) -> Value:
    return _length(scope.g, layer, _list(layer, handle))


def _length(g: Builder, layer: Layer, found: TensorList) -> Value:
    if found.size is not None:
        return cast(g, found.size, I32)
    dense = materialise(g, layer, found)
    return cast(g, g.Squeeze(g.Shape(dense, start=0, end=1), [0]), I32)


@handles("TensorListResize")
def tensor_list_resize(scope: Scope, layer: Layer, handle: Entity, size: Entity) -> TensorList:
    found = _list(layer, handle)
    if found.dense is None and not found.writes:
        return replace(found, size=_value(layer, size))
    g = scope.g
    dense, wanted = materialise(g, layer, found), g.Reshape(whole(g, _value(layer, size)), [1])
    kept = g.Slice(dense, [0], wanted, [0])
    missing = g.Sub(wanted, g.Shape(kept, start=0, end=1))
    zeros = g.Expand(np.zeros([1] * len(layer.shape(dense)), layer.element(dense).numpy()),
                     g.Concat(missing, g.Shape(dense, start=1), axis=0))  # fmt: skip
    return TensorList(found.dtype, g.Concat(kept, zeros, axis=0))


@handles("TensorListGather")
def tensor_list_gather(scope: Scope, layer: Layer, handle: Entity, indices: Entity, *shape: Entity) -> Value:
    return scope.g.Gather(materialise(scope.g, layer, _list(layer, handle)), _value(layer, indices), axis=0)


@handles("TensorListScatterIntoExistingList")
def tensor_list_scatter_into(
    scope: Scope, layer: Layer, handle: Entity, tensor: Entity, indices: Entity
) -> TensorList:  # fmt: skip
    found, g = _list(layer, handle), scope.g
    items = _value(layer, tensor)
    if found.element is None:
        found = replace(found, element=layer.shape(items)[1:])
    dense = materialise(g, layer, found)
    return TensorList(found.dtype, g.ScatterND(dense, g.Unsqueeze(whole(g, _value(layer, indices)), [1]), items))


@handles("TensorListConcat", "TensorListConcatV2")
def tensor_list_concat(scope: Scope, layer: Layer, handle: Entity, *more: Entity) -> list[Entity]:
    g = scope.g
    dense = materialise(g, layer, _list(layer, handle))
    rank = layer.rank(dense)
    if rank < 2:
        raise layer.malformed("its list holds scalars")
    joined = g.Reshape(dense, g.Concat([-1], g.Shape(dense, start=2), axis=0) if rank > 2 else [-1])
    return [joined, Opaque("the lengths of a list's items", layer.name)]


# --- TF1: a handle says which array, a float called flow carries the order of its uses --------------------------------


@handles("TensorArrayV3")
def tensor_array_v3(scope: Scope, layer: Layer, size: Entity) -> list[Entity]:
    element = layer.dims("element_shape")
    count = None if layer.flag("dynamic_size") else _value(layer, size)
    made = TensorList(layer.dtype("dtype"), None, (), count, element)
    return [Opaque("an array's handle", layer.name, made), made]


def _array(layer: Layer, handle: Entity, flow: Entity) -> TensorList:
    if isinstance(flow, TensorList):
        return flow
    if isinstance(flow, ir.Value) and flow.shape is not None and layer.shape(flow):
        return TensorList(layer.element(flow), flow)
    raise layer.unsupported("the flow of its array was lost in the graph")


@handles("TensorArrayScatterV3")
def tensor_array_scatter_v3(
    scope: Scope, layer: Layer, handle: Entity, indices: Entity, value: Entity, flow: Entity
) -> TensorList:
    found, g, x = _array(layer, handle, flow), scope.g, _value(layer, value)
    if found.dense is None and not found.writes and in_order(g, _value(layer, indices), x):
        return replace(found, dense=x)
    if found.element is None:
        found = replace(found, element=layer.shape(x)[1:])
    places = g.Unsqueeze(whole(g, _value(layer, indices)), [1])
    return replace(found, dense=g.ScatterND(materialise(g, layer, found), places, x), writes=())


def in_order(g: Builder, indices: Value, x: Value | None) -> bool:
    """Whether indices are 0, 1, ... as the sources of arrays make them: a range that starts at 0."""
    numbers = g.numbers(indices)
    if numbers is not None:
        return numbers == tuple(range(len(numbers)))
    node = indices.producer()
    while node is not None and node.op_type in ("Cast", "Identity") and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return (
        node is not None and node.op_type == "Range" and g.numbers(node.inputs[0]) == (0,)
        and g.numbers(node.inputs[2]) == (1,)
    )  # fmt: skip


@handles("TensorArrayWriteV3")
def tensor_array_write_v3(
    scope: Scope, layer: Layer, handle: Entity, index: Entity, value: Entity, flow: Entity
) -> TensorList:
    found = _array(layer, handle, flow)
    return replace(found, writes=(*found.writes, (_value(layer, index), _value(layer, value))))


@handles("TensorArrayReadV3")
def tensor_array_read_v3(scope: Scope, layer: Layer, handle: Entity, index: Entity, flow: Entity) -> Value:
    return _item(scope.g, layer, _array(layer, handle, flow), _value(layer, index))


@handles("TensorArrayGatherV3")
def tensor_array_gather_v3(scope: Scope, layer: Layer, handle: Entity, indices: Entity, flow: Entity) -> Value:
    dense = materialise(scope.g, layer, _array(layer, handle, flow))
    places = _value(layer, indices)
    return dense if in_order(scope.g, places, dense) else scope.g.Gather(dense, places, axis=0)


@handles("TensorArraySizeV3")
def tensor_array_size_v3(scope: Scope, layer: Layer, handle: Entity, flow: Entity) -> Value:
    return _length(scope.g, layer, _array(layer, handle, flow))


@handles("TensorArrayConcatV3")
def tensor_array_concat_v3(scope: Scope, layer: Layer, handle: Entity, flow: Entity) -> list[Entity]:
    found: list[Entity] = tensor_list_concat(scope, layer, _array(layer, handle, flow))
    return found


@handles("TensorArraySplitV3", "TensorListSplit")
def tensor_array_split_v3(scope: Scope, layer: Layer, *xs: Entity) -> TensorList:
    """Equal lengths only: the parts are then items of one shape."""
    value, lengths = (xs[1], xs[2]) if layer.type == "TensorArraySplitV3" else (xs[0], xs[2])
    g, x = scope.g, _value(layer, value)
    sizes = layer.integers(g, _value(layer, lengths), "the lengths of its parts")
    if not sizes or len(set(sizes)) != 1:
        raise layer.unsupported("its parts are of different lengths")
    tail: Sequence[Value] = [g.Shape(x, start=1)] if layer.rank(x) > 1 else []
    shape = g.Concat([len(sizes), sizes[0]], *tail, axis=0)
    return TensorList(x.dtype or F32, g.Reshape(x, shape))


@handles("TensorArrayCloseV3")
def tensor_array_close_v3(scope: Scope, layer: Layer, handle: Entity) -> Entity:
    return Opaque("nothing", layer.name)
