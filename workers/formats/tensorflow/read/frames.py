"""Control flow of TF1, which lies flat in the graph, made out: loops of Enter/Merge/Switch/Exit, branches of Merge.

A loop variable is Enter -> Merge <- NextIteration, its Switch sends it into the body (output 1) or out by an Exit
(output 0). A branch ends in a Merge of two tensors, one of which lives when the predicate of its Switch is false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workers.errors import MalformedModel
from workers.formats.tensorflow.graph import Graph, Node, Ref, attr

SWITCH, MERGE = ("Switch", "RefSwitch"), ("Merge", "RefMerge")
MANY = "_SwitchN"
"""Sends its data to one of many outputs by number: what a Case becomes when it is laid flat."""
ENTER, EXIT, NEXT = ("Enter", "RefEnter"), ("Exit", "RefExit"), ("NextIteration", "RefNextIteration")
Conditions = frozenset[tuple[Ref, int]]


@dataclass(slots=True)
class LoopVariable:
    """``start`` comes from outside, ``back`` is the next round's value, ``exits`` the nodes that hand out the last."""

    merge: str
    start: Ref
    back: Ref
    switch: str = ""
    exits: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Loop:
    """One frame. ``outside`` is everything that enters it: starts and what stays the same."""

    name: str
    condition: Ref
    variables: list[LoopVariable]
    outside: list[Ref]


@dataclass(slots=True)
class Branch:
    """A Merge: its predicate, the tensor of either side, and what enters its branches through their switches."""

    merge: str
    predicate: Ref
    sides: tuple[Ref, Ref]
    outside: list[Ref]
    order: tuple[int, int]


@dataclass(slots=True)
class Choice:
    """A Merge of many: the number that chooses, the tensor of every side, and what enters the sides."""

    index: Ref
    sides: list[Ref]
    outside: list[Ref]
    order: list[int]


@dataclass(slots=True)
class Frames:
    loops: dict[str, Loop] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)


def frames_of(graph: Graph) -> Frames:
    """The loops by their Exit nodes' names, the branches by their Merge nodes'."""
    ops = {node.op for node in graph.nodes.values()}
    found = Frames()
    if not ops & {*SWITCH, *MERGE, *ENTER, MANY}:
        return found
    for loop in _loops(graph):
        for variable in loop.variables:
            for name in variable.exits:
                found.loops[name] = loop
    looped = {variable.merge for loop in _loops(graph) for variable in loop.variables}
    conditions = _conditions(graph, looped)
    for node in graph.nodes.values():
        if node.op in MERGE and node.name not in looped and len(node.inputs) == 2:
            branch = _branch(graph, node, conditions)
            if branch is not None:
                found.branches[node.name] = branch
        elif node.op in MERGE and len(node.inputs) > 2:
            choice = _choice(graph, node, conditions)
            if choice is not None:
                found.choices[node.name] = choice
    return found


# --- loops ------------------------------------------------------------------------------------------------------------


def _loops(graph: Graph) -> list[Loop]:
    enters: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        if node.op in ENTER:
            frame = bytes(attr(node, "frame_name", "s", b"")).decode("utf-8", "replace")
            enters.setdefault(frame, []).append(node)
    by_merge = {node.inputs[0].node: node for node in graph.nodes.values() if node.op in SWITCH and node.inputs}
    exits: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        if node.op in EXIT and node.inputs:
            exits.setdefault(node.inputs[0].node, []).append(node.name)
    merges: dict[str, tuple[Node, Node]] = {}
    for node in graph.nodes.values():
        if node.op in MERGE and len(node.inputs) == 2:
            back = graph.nodes.get(node.inputs[1].node)
            if back is not None and back.op in NEXT:
                merges[node.inputs[0].node] = (node, back)
    return [_loop(graph, name, nodes, merges, by_merge, exits) for name, nodes in enters.items()]


def _loop(
    graph: Graph, name: str, enters: Sequence[Node], merges: Mapping[str, tuple[Node, Node]],
    switches: Mapping[str, Node], exits: Mapping[str, list[str]],
) -> Loop:  # fmt: skip
    variables, condition = [], None
    for enter in enters:
        if not enter.inputs:
            raise MalformedModel(f"{enter.name!r} (Enter) has no input", file=graph.file, layer=enter.name)
        if enter.name not in merges:
            continue
        merge, back = merges[enter.name]
        if not back.inputs:
            raise MalformedModel(f"{back.name!r} (NextIteration) has no input", file=graph.file, layer=back.name)
        variable = LoopVariable(merge.name, enter.inputs[0], back.inputs[0])
        switch = switches.get(merge.name)
        if switch is not None and len(switch.inputs) == 2:
            variable.switch = switch.name
            variable.exits = exits.get(switch.name, [])
            test = graph.nodes.get(switch.inputs[1].node)
            if test is not None and test.op == "LoopCond" and test.inputs:
                condition = test.inputs[0]
        variables.append(variable)
    if condition is None:
        raise MalformedModel(f"the loop {name!r} of {graph.file!r} has no condition", file=graph.file, layer=name)
    return Loop(name, condition, variables, [enter.inputs[0] for enter in enters])


# --- branches ---------------------------------------------------------------------------------------------------------


def _order(graph: Graph, looped: set[str]) -> list[Node]:
    """Nodes after what they depend on, control edges included; edges back into a loop are left out."""
    order: list[Node] = []
    state: dict[str, int] = {}
    for root in graph.nodes:
        stack = [root]
        while stack:
            name = stack[-1]
            node = graph.nodes.get(name)
            if node is None or state.get(name) == 2:
                stack.pop()
                continue
            if state.get(name) == 1:
                state[name] = 2
                order.append(node)
                stack.pop()
                continue
            state[name] = 1
            inputs = node.inputs[:1] if name in looped else node.inputs
            stack.extend(n for n in (*(ref.node for ref in inputs), *node.controls) if state.get(n, 0) == 0)
    return order


def _conditions(graph: Graph, looped: set[str]) -> dict[str, Conditions]:
    """By node: under which predicates' sides it lives (the outputs of a Switch are told apart by its readers)."""
    found: dict[str, Conditions] = {}
    for node in _order(graph, looped):
        inputs = node.inputs[:1] if node.name in looped else node.inputs
        sets = [_of(graph, found, ref) for ref in inputs]
        if node.op in MERGE and node.name not in looped and sets:
            alive = frozenset.intersection(*sets)
        else:
            alive = frozenset().union(*sets, *(found.get(name, frozenset()) for name in node.controls))
        found[node.name] = alive
    return found


def _of(graph: Graph, found: Mapping[str, Conditions], ref: Ref) -> Conditions:
    node = graph.nodes.get(ref.node)
    alive = found.get(ref.node, frozenset())
    if node is not None and node.op in (*SWITCH, MANY) and len(node.inputs) == 2:
        alive = alive | {(_plain(graph, node.inputs[1]), ref.index)}
    return alive


def _plain(graph: Graph, ref: Ref) -> Ref:
    """A predicate behind its identities."""
    for _ in range(64):
        node = graph.nodes.get(ref.node)
        if node is None or node.op != "Identity" or not node.inputs:
            break
        ref = node.inputs[0]
    return ref


def _branch(graph: Graph, merge: Node, conditions: Mapping[str, Conditions]) -> Branch | None:
    one, two = (_of(graph, conditions, ref) for ref in merge.inputs)
    for predicate, side in sorted(one, key=str):
        if (predicate, 1 - side) in two:
            order = (0, 1) if side == 0 else (1, 0)
            sides = (merge.inputs[order[0]], merge.inputs[order[1]])
            return Branch(merge.name, predicate, sides, _entering(graph, sides, predicate), order)
    return None


def _choice(graph: Graph, merge: Node, conditions: Mapping[str, Conditions]) -> Choice | None:
    """Every input lives under another number of one and the same tensor, from 0 on."""
    alive = [_of(graph, conditions, ref) for ref in merge.inputs]
    for index, _ in sorted(alive[0], key=str):
        numbers = [{number for ref, number in one if ref == index} for one in alive]
        if sorted(map(sorted, numbers)) == [[number] for number in range(len(alive))]:
            order = [numbers.index({number}) for number in range(len(alive))]
            sides = [merge.inputs[place] for place in order]
            return Choice(index, sides, _entering(graph, sides, index), order)
    return None


def _entering(graph: Graph, sides: Sequence[Ref], predicate: Ref) -> list[Ref]:
    """The data of the switches of this predicate that the two sides hang on."""
    seen: set[str] = set()
    stack = [ref.node for ref in sides]
    outside: dict[Ref, None] = {}
    while stack:
        node = graph.nodes.get(stack.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op in (*SWITCH, MANY) and len(node.inputs) == 2 and _plain(graph, node.inputs[1]) == predicate:
            outside[node.inputs[0]] = None
            continue
        stack.extend(ref.node for ref in node.inputs)
    return [ref for ref in outside if ref != predicate]
