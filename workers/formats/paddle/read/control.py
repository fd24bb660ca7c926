"""Branches and loops: conditional_block with select_input, while, and PIR's if and while become If and Loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from workers.formats.paddle.net import touched
from workers.formats.paddle.program import ARRAY, Block, Operator
from workers.formats.paddle.read.arrays import as_sequence
from workers.formats.paddle.read.layer import BOOL, I64, Held, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import scalar
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

TRIES = 4


@dataclass(slots=True)
class Pending:
    """What a conditional_block would leave in ``name``; the block is read when a select_input chooses it."""

    op: Operator
    block: Block
    env: Any
    name: str
    condition: Value


@dataclass(slots=True)
class Branch:
    """A sub-graph with the values that it gives."""

    g: GraphBuilder
    values: list[Value] = field(default_factory=list)


def sub_block(layer: Layer, key: str = "sub_block") -> Block:
    index = layer.integer(key)
    blocks = layer.scope.program.blocks
    if not 0 < index < len(blocks):
        raise layer.malformed(f"its {key} {index} does not exist")
    return blocks[index]


def read_inner(layer: Layer, g: GraphBuilder, block: Block, env: Any) -> None:
    if layer.scope.block is None:
        raise layer.malformed("it stands where no sub-block can be read")
    layer.scope.depth += 1
    if layer.scope.depth > 32:
        raise layer.malformed("its blocks are nested too deeply")
    try:
        layer.scope.block(g, block.ops, env)
    finally:
        layer.scope.depth -= 1


def own(body: GraphBuilder, value: Value) -> Value:
    """A value of the body itself: one from around it is copied in."""
    producer = value.producer()
    inside = value in body.graph.inputs if producer is None else producer.graph is body.graph
    return value if inside and value not in body.graph.outputs else body.op("Identity", value)


def _truth(g: GraphBuilder, x: Value) -> Value:
    return scalar(g, cast(g, x, BOOL))


def _joint(a: Value, b: Value) -> list[Dim] | None:
    """What two shapes have in common."""
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return None
    pairs = zip(GraphBuilder.shape(a), GraphBuilder.shape(b), strict=True)
    return [x if x == y else None for x, y in pairs]


def choose(g: GraphBuilder, layer: Layer, condition: Value, yes: Branch, no: Branch) -> list[Value]:
    """One If; results that differ in type are cast to the first's."""
    for place, (a, b) in enumerate(zip(yes.values, no.values, strict=True)):
        if a.dtype != b.dtype and a.dtype is not None and b.dtype is not None:
            no.values[place] = no.g.Cast(b, to=int(a.dtype))
    for branch in (yes, no):
        for value in branch.values:
            branch.g.output(own(branch.g, value))
    outputs = g.ops("If", condition, outputs=len(yes.values), then_branch=yes.g.graph, else_branch=no.g.graph)
    for output, a, b in zip(outputs, yes.values, no.values, strict=True):
        output.type = a.type
        joint = _joint(a, b)
        output.shape = None if joint is None else ir.Shape(joint)
    return outputs


# --- ProgramDesc ------------------------------------------------------------------------------------------------------


@reads("conditional_block", "conditional_block_infer")
def conditional_block(g: GraphBuilder, layer: Layer) -> Mapping[str, Sequence[Held]]:
    """A variable that had a value before keeps it when the condition fails; others wait for select_input.

    Without ``is_scalar_condition`` the block runs unless it is given no rows at all, of which it would make none.
    """
    block = sub_block(layer)
    if not layer.flag("is_scalar_condition"):
        env = layer.env.inner()
        read_inner(layer, g, block, env)
        return {"Out": [env.find(name) for name in layer.op.outputs.get("Out", [])]}
    condition = layer.x("Cond")
    names = layer.op.outputs.get("Out", [])
    written = {name for op in block.ops for name in touched(layer.scope.program, op)[1]}
    kept = [name for name in names if name in written and isinstance(layer.env.find(name), ir.Value)]
    found: dict[str, Held] = {
        name: Pending(layer.op, block, layer.env, name, condition) for name in names if name not in kept
    }
    if kept:
        yes, no = Branch(g.inner(f"{layer.name}_then")), Branch(g.inner(f"{layer.name}_else"))
        env = layer.env.inner()
        read_inner(layer, yes.g, block, env)
        yes.values, no.values = [env[name] for name in kept], [layer.env[name] for name in kept]
        found |= dict(zip(kept, choose(g, layer, _truth(g, condition), yes, no), strict=True))
    return {"Out": [found.get(name, layer.env.find(name)) for name in names]}


@reads("select_input")
def select_input(g: GraphBuilder, layer: Layer) -> Held:
    """Mask 0 takes the first input, 1 the second. All that choose between the same two blocks share one If."""
    pair = layer.held("X")
    if len(pair) != 2:
        raise layer.malformed(f"it chooses between {len(pair)} values")
    no, yes = pair
    chosen = layer.scope.chosen.get((id(no), id(yes)))
    if chosen is not None:
        return chosen
    condition = _truth(g, layer.x("Mask"))
    pairs = _alike(layer, no, yes) if isinstance(no, Pending) and isinstance(yes, Pending) else [(no, yes)]
    branches = []
    for side, word in ((1, "then"), (0, "else")):
        branch = Branch(g.inner(f"{layer.name}_{word}"))
        envs: dict[int, Any] = {}
        for sides in pairs:
            branch.values.append(_left(layer, branch.g, sides[side], envs))
        branches.append(branch)
    outputs = choose(g, layer, condition, *branches)
    for (a, b), output in zip(pairs, outputs, strict=True):
        layer.scope.chosen[id(a), id(b)] = output
    layer.scope.held.extend(part for both in pairs for part in both)
    return layer.scope.chosen[id(no), id(yes)]


def _alike(layer: Layer, no: Pending, yes: Pending) -> list[tuple[Held, Held]]:
    """The pairs of all select_inputs of the program that choose between these two blocks."""
    pairs: list[tuple[Held, Held]] = []
    for block in layer.scope.program.blocks:
        for op in block.ops:
            names = op.inputs.get("X", [])
            if op.type != "select_input" or len(names) != 2:
                continue
            a, b = (layer.env.find(name) for name in names)
            same = isinstance(a, Pending) and isinstance(b, Pending) and a.op is no.op and b.op is yes.op
            if same and (a, b) not in pairs:
                pairs.append((a, b))
    return pairs or [(no, yes)]


def _left(layer: Layer, g: GraphBuilder, held: Held, envs: dict[int, Any]) -> Value:
    """The value that a branch gives; its block is read once."""
    if not isinstance(held, Pending):
        if not isinstance(held, ir.Value):
            raise layer.unsupported("it chooses between arrays of tensors")
        return held
    if id(held.op) not in envs:
        env = held.env.inner()
        read_inner(layer, g, held.block, env)
        envs[id(held.op)] = env
    value = envs[id(held.op)][held.name]
    if not isinstance(value, ir.Value):
        raise layer.unsupported("its branch gives an array of tensors")
    return value


@reads("while")
def while_(g: GraphBuilder, layer: Layer) -> Mapping[str, Sequence[Held]]:
    """The variables that the block writes and that exist before it run round; the rest is read from around."""
    block = sub_block(layer)
    tested = layer.op.inputs.get("Condition", [])
    if len(tested) != 1:
        raise layer.malformed(f"it has {len(tested)} conditions")
    (condition,) = tested
    written = {name for op in block.ops for name in touched(layer.scope.program, op)[1]}
    arrays = {name for name, var in layer.scope.program.vars.items() if var.kind == ARRAY}
    empty = {name for name in layer.op.outputs.get("Out", []) if name in arrays and layer.env.find(name) is None}
    known = {name for name in written if layer.env.find(name) is not None}
    names = sorted((known | (empty & written)) - {condition})
    starts = [_start(g, layer, [] if name in empty else layer.env[name], name) for name in names]

    def body(inner: GraphBuilder, carried: Sequence[Value], goes_on: Value) -> tuple[Value, list[Value]]:
        env = layer.env.inner()
        env.values.update(zip(names, carried, strict=True))
        env.values[condition] = goes_on
        read_inner(layer, inner, block, env)
        return env[condition], [env[name] for name in names]

    outputs = loop(g, layer, layer.env[condition], starts, body)
    for name, value in zip(names, outputs, strict=True):
        layer.env[name] = value
    return {}


def _start(g: GraphBuilder, layer: Layer, held: Held, name: str) -> Value:
    """What a variable is before a loop or branch, an array as a sequence."""
    value = as_sequence(g, layer, held, name) if isinstance(held, list) else held
    if not isinstance(value, ir.Value):
        raise layer.unsupported("a variable of its block comes from a branch not taken")
    return value


# --- PIR --------------------------------------------------------------------------------------------------------------


def _yielded(layer: Layer, g: GraphBuilder, block: Block, env: Any) -> list[Value]:
    """The values of a region's yield."""
    end = block.ops[-1] if block.ops else None
    if end is None or end.type != "cf.yield":
        raise layer.malformed("a region of it does not end in a yield")
    read_inner(layer, g, Block(block.ops[:-1], block.args), env)
    found = [env[name] for names in end.inputs.values() for name in names]
    if any(not isinstance(value, ir.Value) for value in found):
        raise layer.unsupported("a region of it yields an array of tensors")
    return found


def _overwritten(layer: Layer) -> list[str]:
    """Values from around its regions that operators in place change within them."""
    program, blocks = layer.scope.program, layer.op.blocks
    written = {name for block in blocks for op in block.ops for name in touched(program, op)[1]}
    return sorted(name for name in written if layer.env.find(name) is not None)


@reads("pd_op.if")
def if_(g: GraphBuilder, layer: Layer) -> dict[str, Held]:
    """Regions give what they yield and, behind that, what they change in place."""
    if len(layer.op.blocks) != 2:
        raise layer.malformed(f"it has {len(layer.op.blocks)} regions")
    names = _overwritten(layer)
    starts = {name: _start(g, layer, layer.env[name], name) for name in names}
    branches = []
    for block, word in zip(layer.op.blocks, ("then", "else"), strict=True):
        branch = Branch(g.inner(f"{layer.name}_{word}"))
        env = layer.env.inner()
        env.values.update(starts)
        branch.values = [*_yielded(layer, branch.g, block, env), *(env[name] for name in names)]
        branches.append(branch)
    if len(branches[0].values) != len(branches[1].values):
        raise layer.malformed("its regions yield different numbers of values")
    if not branches[0].values:
        return {}
    outputs = choose(g, layer, _truth(g, layer.x("I0")), *branches)
    return _kept(layer, outputs, names)


def _kept(layer: Layer, values: Sequence[Value], names: Sequence[str]) -> dict[str, Held]:
    """The last of the values are new ones for ``names``, the others the results."""
    results = len(values) - len(names)
    for name, value in zip(names, values[results:], strict=True):
        layer.env[name] = value
    return _by_slot(layer, values[:results])


def _by_slot(layer: Layer, values: Sequence[Value]) -> dict[str, Held]:
    slots = layer.op.outputs
    flat = [name for names in slots.values() for name in names]
    if len(flat) != len(values):
        raise layer.malformed(f"it has {len(flat)} results for {len(values)} values")
    by_name = dict(zip(flat, values, strict=True))
    return {slot: [by_name[name] for name in names] for slot, names in slots.items()}


@reads("pd_op.while")
def pir_while(g: GraphBuilder, layer: Layer) -> dict[str, Held]:
    """Its operands run round as arguments of the region; so does what the region changes in place."""
    if len(layer.op.blocks) != 1:
        raise layer.malformed(f"it has {len(layer.op.blocks)} regions")
    block = layer.op.blocks[0]
    slots = [f"I{place}" for place in range(1, len(layer.op.inputs))]
    names = _overwritten(layer)
    starts = [layer.x(slot) for slot in slots] + [_start(g, layer, layer.env[name], name) for name in names]
    if len(block.args) != len(slots):
        raise layer.malformed(f"its region takes {len(block.args)} values, it is given {len(slots)}")

    def body(inner: GraphBuilder, carried: Sequence[Value], goes_on: Value) -> tuple[Value, list[Value]]:
        env = layer.env.inner()
        env.values.update(zip([*block.args, *names], carried, strict=True))
        found = _yielded(layer, inner, block, env)
        if not found:
            raise layer.malformed("its region yields no condition")
        first, *rest = found
        return first, rest + [env[name] for name in names]

    return _kept(layer, loop(g, layer, layer.x("I0"), starts, body), names)


# --- loops ------------------------------------------------------------------------------------------------------------


def loop(g: GraphBuilder, layer: Layer, condition: Value, starts: Sequence[Value], body: Any) -> list[Value]:
    """One Loop. Where a round gives another shape than it got, it is read again with that axis open."""
    shapes = [None if value.shape is None else list(GraphBuilder.shape(value)) for value in starts]
    for _ in range(TRIES):
        inner = g.inner(f"{layer.name}_body")
        inner.input(f"{layer.name}_round", [], I64)
        goes_on = inner.input(f"{layer.name}_goes_on", [], BOOL)
        carried = [_carried(inner, layer, value, shape) for value, shape in zip(starts, shapes, strict=True)]
        again, ends = body(inner, carried, goes_on)
        if len(ends) != len(starts) or any(not isinstance(value, ir.Value) for value in ends):
            raise layer.unsupported("a variable of its loop is no tensor at the end of a round")
        ends = [_typed(inner, end, start) for end, start in zip(ends, starts, strict=True)]
        fresh = [_joint(a, b) if shape is not None else None for a, b, shape in zip(carried, ends, shapes, strict=True)]
        if fresh == shapes:
            break
        shapes = fresh
    inner.output(own(inner, _truth(inner, again)))
    for value in ends:
        inner.output(own(inner, value))
    outputs = g.ops("Loop", None, _truth(g, condition), *starts, outputs=len(starts), body=inner.graph)
    for output, start, shape in zip(outputs, starts, shapes, strict=True):
        output.type = start.type
        output.shape = None if shape is None else ir.Shape(shape)
    return outputs


def _typed(g: GraphBuilder, end: Value, start: Value) -> Value:
    same = end.dtype == start.dtype or end.dtype is None or start.dtype is None
    return end if same or isinstance(end.type, ir.SequenceType) else g.Cast(end, to=int(start.dtype or 0))


def _carried(inner: GraphBuilder, layer: Layer, start: Value, shape: Sequence[Dim] | None) -> Value:
    value = inner.input(f"{layer.name}_variable", shape or [], start.dtype or I64)
    value.type = start.type
    value.shape = None if shape is None else ir.Shape(shape)
    return value
