"""One pass over the operators of a net: each through its reading function, results kept under Paddle's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import onnx
import onnx_ir as ir

from workers.errors import MalformedModel, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Progress
from workers.formats.paddle.assemble import Assembled
from workers.formats.paddle.file import Array
from workers.formats.paddle.net import Net
from workers.formats.paddle.program import Operator, Var
from workers.formats.paddle.read.complex_numbers import complex_rule
from workers.formats.paddle.read.contents import propagate
from workers.formats.paddle.read.inputs import Shapes
from workers.formats.paddle.read.layer import Complex, Held, Layer, Result, Scope, Value, reads
from workers.formats.paddle.read.narrow import widened
from workers.hub.graph import GraphBuilder
from workers.hub.provenance import LAYER, LAYER_TYPE

PRIMARY = ("Out", "Output", "Y", "Result", "out")


class Env:
    """All values by variable name; a sub-block's stands before its parent's. Parameters come at their first use."""

    def __init__(self, state: Pass, parent: Env | None = None) -> None:
        self.state = state
        self.parent = parent
        self.values: dict[str, Held] = {}

    def inner(self) -> Env:
        return Env(self.state, self)

    def find(self, name: str) -> Held | None:
        env: Env | None = self
        while env is not None:
            if name in env.values:
                return env.values[name]
            env = env.parent
        return self.state.parameter(name)

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __getitem__(self, name: str) -> Held:
        found = self.find(name)
        if found is None:
            raise MalformedModel(
                f"the program reads the variable {name!r}, which nothing has written", file=self.state.scope.file
            )
        return found

    def __setitem__(self, name: str, value: Held) -> None:
        if self.parent is not None or name not in self.state.cuts:
            self.values[name] = value


@dataclass(slots=True)
class Pass:
    """The state of one pass: the values, and what could not be read. ``lost`` are variables below such a layer."""

    g: GraphBuilder
    scope: Scope
    params: Mapping[str, Array]
    cuts: frozenset[str]
    refused: list[Unsupported] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    weights: dict[str, Value] = field(default_factory=dict)
    env: Env = field(init=False)

    def parameter(self, name: str) -> Value | None:
        if name not in self.weights:
            array = self.params.get(name)
            if array is None:
                return None
            self.weights[name] = self.g.weight(name, widened(array))
        return self.weights[name]


def run(net: Net, source: Assembled, shapes: Shapes, types: Mapping[str, ir.DataType], progress: Progress) -> Pass:
    """Read all operators with inputs of these shapes and types.

    Raises UnsupportedOperators with every layer that cannot be read, MalformedModel for the first layer that does not
    fit its inputs; ``FreeAxis`` when a free axis is in the way.
    """
    scope = Scope(source.file, net.program)
    state = Pass(GraphBuilder("paddle"), scope, source.params, net.cuts)
    state.env = Env(state)
    scope.block = partial(read_block, state)
    for name in net.inputs:
        value = state.g.input(name, shapes[name], types[name])
        state.env.values[name] = value
        scope.inputs.append(value)
    for count, op in enumerate(net.ops):
        progress(count, len(net.ops), f"{op.name} ({op.shown})")
        read_operator(state, state.g, op, state.env)
    if state.refused:
        raise UnsupportedOperators("paddle", state.refused)
    return state


# --- one operator -----------------------------------------------------------------------------------------------------


def read_block(state: Pass, g: GraphBuilder, ops: Sequence[Operator], env: Env) -> None:
    """The operators of a sub-block. Raises UnsupportedOperators with those that cannot be read."""
    before = len(state.refused)
    for op in ops:
        read_operator(state, g, op, env)
    if len(state.refused) > before:
        found = state.refused[before:]
        del state.refused[before:]
        raise UnsupportedOperators("paddle", found)


def read_operator(state: Pass, g: GraphBuilder, op: Operator, env: Env) -> None:
    """One operator. Below one that could not be read nothing has a shape; only its type is looked at."""
    rule = reads.find(op.type, op.name)
    if rule is None:
        state.refused.append(Unsupported(op.name, op.shown, _why_not(op.type)))
        state.lost.update(op.writes())
        return
    if any(name in state.lost for name in op.reads()):
        state.lost.update(op.writes())
        return
    layer = Layer(op, state.scope, env)
    start = len(g.made)
    try:
        with g.layer(op.name, op.shown):
            keep(state, g, layer, complex_rule(layer, rule)(g, layer), start)
    except UnsupportedLayer as error:
        _refuse(state, op, [error.item])
    except UnsupportedOperators as error:
        _refuse(state, op, error.items)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise layer.malformed(f"its inputs do not fit it: {str(error).strip().splitlines()[-1][:300]}") from error


def _why_not(type_: str) -> str:
    """The reason for an operator of PIR, where it has none of its own, is that for the old one of its name."""
    old = type_.removeprefix("pd_op.").removesuffix("_")
    return reads.why_not(old if type_ not in reads.refused and old in reads.refused else type_)


def _refuse(state: Pass, op: Operator, items: Sequence[Unsupported]) -> None:
    state.refused.extend(items)
    state.lost.update(op.writes())


def keep(state: Pass, g: GraphBuilder, layer: Layer, result: Result, start: int) -> None:
    """The results under the names of the operator's outputs; those it made itself are called like them."""
    made = {id(value) for new in g.made[start:] for value in new.outputs}
    found = list(_placed(layer, result))
    for name, value in found:
        if isinstance(value, ir.Value):
            value = _settled(state, g, value, state.scope.program.vars.get(name))
            if id(value) in made and not name.startswith("%"):
                g.rename(value, name)
        layer.env[name] = value
    if found and layer.op.inplace and isinstance(layer.op.inputs.get(layer.op.inplace), list):
        for name in layer.op.inputs[layer.op.inplace]:
            layer.env[name] = layer.env[found[0][0]]
    propagate(g, layer, [(name, value) for name, value in found if isinstance(value, ir.Value)])


def _placed(layer: Layer, result: Result) -> Iterator[tuple[str, Held]]:
    """Pairs of a variable and what becomes of it."""
    outputs = layer.op.outputs
    if not isinstance(result, Mapping):
        slot = next((slot for slot in PRIMARY if slot in outputs), next(iter(outputs), None))
        result = {} if slot is None else {slot: result}
    for slot, values in result.items():
        names = outputs.get(slot) or outputs.get(slot.lower(), [])
        many = list(values) if isinstance(values, Sequence) else [values]
        if names and len(names) != len(many):
            raise layer.malformed(f"it has {len(names)} names for {len(many)} results")
        yield from zip(names, many, strict=False)


def _settled(state: Pass, g: GraphBuilder, value: Value, var: Var | None) -> Value:
    """Programs before 2.5 have no tensors without axes: where they declare [1], one axis is given.

    A shape that inference does not find is taken from the program.
    """
    if var is None or var.dims is None or var.kind != "tensor":
        return value
    if value.shape is not None and len(value.shape) == 0 and var.dims == (1,):
        array = g.const(value)
        return g.constant(array.reshape(1)) if array is not None else g.Reshape(value, [1])
    if value.shape is None and value.type is not None and not isinstance(value.type, ir.SequenceType):
        value.shape = ir.Shape([dim if dim >= 0 else None for dim in var.dims])
    return value


# --- the end ----------------------------------------------------------------------------------------------------------


def add_outputs(state: Pass, net: Net) -> None:
    """The net's outputs, each under its name; initialisers that nothing uses go."""
    for name, label in net.outputs:
        value = state.env[name]
        if isinstance(value, Complex):
            reason = "this output is complex; ONNX has no complex numbers: give out its two parts instead"
            raise UnsupportedLayer("paddle", label, "fetch", reason)
        if not isinstance(value, ir.Value):
            raise MalformedModel(f"the output {label!r} is no tensor", file=state.scope.file)
        producer = value.producer()
        layer = producer.metadata_props if producer is not None else {}
        with state.g.layer(layer.get(LAYER, name), layer.get(LAYER_TYPE, "fetch")):
            state.g.output(value, label)
    used = {value for node in state.g.graph.all_nodes() for value in node.inputs}
    for name, value in list(state.g.graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del state.g.graph.initializers[name]
