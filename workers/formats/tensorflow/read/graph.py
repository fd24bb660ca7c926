"""Nodes that hold the graph together: constants, variables, calls, what only hands on, branches of TF1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import I32
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.control import if_then_else, one_of
from workers.formats.tensorflow.read.frames import Choice
from workers.formats.tensorflow.read.layer import (
    BROKEN,
    DEAD,
    Entity,
    Layer,
    Opaque,
    Value,
    Variable,
    cast,
    handles,
    reads,
    whole,
)
from workers.formats.tensorflow.read.network import PLENTY, Scope, constant, truth, what_is


@handles("Const", "HostConst")
def const(scope: Scope, layer: Layer) -> Entity:
    return constant(scope, layer)


@handles("VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable")
def variable(scope: Scope, layer: Layer) -> Entity:
    """A variable; in TF1's first kind the name stands for the value itself."""
    found = Variable(layer.node.name, scope.run.variables.get(layer.node.name))
    return found if layer.type == "VarHandleOp" else scope.weight(found, layer)


@handles("ReadVariableOp")
def read_variable_op(scope: Scope, layer: Layer, handle: Entity) -> Entity:
    """The value a variable was saved with; one that the model changes before it is read is refused."""
    if not isinstance(handle, Variable):
        raise layer.unsupported(f"it reads {_words(handle)} as a variable")
    for name in layer.node.controls:
        before = scope.graph.nodes.get(name)
        if before is not None and before.op.startswith(("Assign", "ResourceApply")):
            raise layer.unsupported(
                f"{name!r} changes the variable {handle.name!r} before it is read: the model has a state"
            )
    return scope.weight(handle, layer)


def _words(entity: Entity) -> str:
    return "a computed tensor" if isinstance(entity, ir.Value) else what_is(entity)


@handles("ResourceGather")
def resource_gather(scope: Scope, layer: Layer, handle: Entity, indices: Entity) -> Entity:
    table = read_variable_op(scope, layer, handle)
    if not isinstance(table, ir.Value) or not isinstance(indices, ir.Value):
        raise layer.unsupported("its indices are no tensor")
    if layer.i("batch_dims", 0):
        raise layer.unsupported("it gathers with batch_dims from a variable")
    return scope.g.Gather(table, indices, axis=0)


@handles("ResourceGatherNd")
def resource_gather_nd(scope: Scope, layer: Layer, handle: Entity, indices: Entity) -> Entity:
    table = read_variable_op(scope, layer, handle)
    if not isinstance(table, ir.Value) or not isinstance(indices, ir.Value):
        raise layer.unsupported("its indices are no tensor")
    return scope.g.GatherND(table, whole(scope.g, indices))


@handles("VariableShape")
def variable_shape(scope: Scope, layer: Layer, handle: Entity) -> Entity:
    table = read_variable_op(scope, layer, handle)
    assert isinstance(table, ir.Value)
    return cast(scope.g, scope.g.Shape(table), layer.dtype("out_type", "DT_INT32"))


@handles("VarIsInitializedOp", "IsVariableInitialized")
def var_is_initialized_op(scope: Scope, layer: Layer, handle: Entity) -> Entity:
    """A variable whose value was saved is initialised."""

    return scope.g.constant(np.array(True))


@handles(
    "Identity", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot", "RefIdentity", "Print",
    "PlaceholderWithDefault", "DisableCopyOnRead", "ReadVariableXlaSplitND", "CopyHost", "Copy", "LoopCond",
    "DebugGradientIdentity", "Enter", "RefEnter",
)  # fmt: skip
def identity(scope: Scope, layer: Layer, x: Entity, *more: Entity) -> Entity:
    """What only hands on; a placeholder with a default that nobody feeds has its default."""
    return x


@handles("IdentityN")
def identity_n(scope: Scope, layer: Layer, *xs: Entity) -> list[Entity]:
    return list(xs)


@handles("NoOp", "Assert", "ControlTrigger")
def no_op(scope: Scope, layer: Layer, *xs: Entity) -> Entity:
    return Opaque("nothing", layer.name)


@handles("HashTable", "HashTableV2", "MutableHashTableV2", "AnonymousHashTable")
def hash_table(scope: Scope, layer: Layer) -> Entity:
    """A table goes into functions though nothing that is wanted may look anything up in it."""
    return Opaque("a table of words", layer.name)


@handles("Placeholder", "PlaceholderV2")
def placeholder(scope: Scope, layer: Layer) -> Entity:
    """One that is no input of the model, yet its outputs need it."""
    raise layer.malformed("the outputs need this placeholder, which is no input of the model")


@handles("PartitionedCall", "StatefulPartitionedCall")
def partitioned_call(scope: Scope, layer: Layer, *xs: Entity) -> list[Entity]:
    return scope.call(layer.function("f"), layer, xs, all_=False)


# --- branches of TF1 --------------------------------------------------------------------------------------------------


@handles("Switch", "RefSwitch")
def switch(scope: Scope, layer: Layer, data: Entity, predicate: Entity) -> list[Entity]:
    """With a known predicate one side is dead; with an unknown one both sides see the data."""
    if data is DEAD or data is BROKEN:
        return [data, data]
    side = truth(scope.g, predicate)
    return [data if side in (None, output) else DEAD for output in (0, 1)]


@handles("_SwitchN")
def switch_n(scope: Scope, layer: Layer, data: Entity, index: Entity) -> list[Entity]:
    """As a Switch of many sides; a number out of range means the last."""
    count = layer.i("num_outs", 1)
    if not 0 < count <= PLENTY:
        raise layer.malformed(f"it has {count} outputs")
    if not isinstance(index, ir.Value) or not scope.g.is_const(index):
        return [data] * count
    number = int(layer.constant(scope.g, index, "the index").reshape(()))
    living = number if 0 <= number < count else count - 1
    return [data if output == living else DEAD for output in range(count)]


def _merge_many(scope: Scope, layer: Layer, choice: Choice) -> list[Entity]:
    (index,) = scope.read([choice.index], layer.node.name)
    if not isinstance(index, ir.Value):
        raise layer.unsupported("its index is no tensor")

    def reader(side: int) -> Callable[[Builder], list[Entity]]:
        def read(body: Builder) -> list[Entity]:
            results = scope.within(body, {}).read([choice.sides[side]], layer.node.name)
            return [*results, body.constant(np.array(choice.order[side], np.int32))]

        return read

    return one_of(scope, layer, index, [reader(side) for side in range(len(choice.sides))])


@handles("Merge", "RefMerge")
def merge(scope: Scope, layer: Layer, *xs: Entity) -> list[Entity]:
    """The living side of a known predicate, or both sides as an If."""
    choice = scope.frames.choices.get(layer.node.name)
    if choice is not None:
        return _merge_many(scope, layer, choice)
    branch = scope.frames.branches.get(layer.node.name)
    if branch is None:
        living = [x for x in xs if x is not DEAD]
        if not living:
            return [DEAD, DEAD]
        return [living[0], Opaque("the number of a branch", layer.name)]
    (predicate,) = scope.read([branch.predicate], layer.node.name)
    side = truth(scope.g, predicate)
    if side is not None:
        (x,) = scope.read([branch.sides[side]], layer.node.name)
        index = scope.g.constant(branch.order[side])
        return [x, DEAD if x is DEAD else cast(scope.g, index, I32)]
    if not isinstance(predicate, ir.Value):
        raise layer.unsupported("its predicate is no tensor")

    def reader(which: int) -> object:
        def read(body: Builder) -> list[Entity]:
            inner = scope.within(body, {})
            results = inner.read([branch.sides[which]], layer.node.name)
            return [*results, body.constant(branch.order[which])]

        return read

    return if_then_else(scope, layer, predicate, reader(1), reader(0))  # type: ignore[arg-type]


@reads("EnsureShape")
def ensure_shape(g: Builder, layer: Layer, x: Value) -> Value:
    return x
