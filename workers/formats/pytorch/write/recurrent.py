"""Recurrent layers: ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` where they compute the same, else step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import FLOATS
from workers.formats.pytorch.write.weights import Weight, weight_of
from workers.hub.node import Array, Node, constant_of, shape_of

# ONNX's order of gates, and the order in which torch has them: i o f c -> i f g o; z r h -> r z n.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
USUAL = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}

FORMULAS: dict[str, tuple[str, tuple[float, float]]] = {
    "Affine": ("{a} * x + {b}", (1.0, 0.0)),
    "Elu": ("F.elu(x, {a})", (1.0, 0.0)),
    "HardSigmoid": ("torch.clamp({a} * x + {b}, 0.0, 1.0)", (0.2, 0.5)),
    "LeakyRelu": ("F.leaky_relu(x, {a})", (0.01, 0.0)),
    "ScaledTanh": ("{a} * torch.tanh({b} * x)", (1.0, 1.0)),
    "ThresholdedRelu": ("F.threshold(x, {a}, 0.0)", (1.0, 0.0)),
}
FUNCTIONS = {
    "Relu": "torch.relu", "Sigmoid": "torch.sigmoid", "Softplus": "F.softplus", "Softsign": "F.softsign",
    "Tanh": "torch.tanh",
}  # fmt: skip
TAKES = {"Affine": 2, "Elu": 1, "HardSigmoid": 2, "LeakyRelu": 1, "ScaledTanh": 2, "ThresholdedRelu": 1}


def activations(node: Node) -> tuple[str, ...]:
    """The names for all directions, as ONNX spells them."""
    names = node.strings("activations") or USUAL[node.op] * directions(node)
    known = {name.lower(): name for name in (*FORMULAS, *FUNCTIONS)}
    return tuple(known.get(name.lower(), name) for name in names)


def directions(node: Node) -> int:
    return 2 if node.s("direction", "forward") == "bidirectional" else 1


def expressions(node: Node) -> list[str]:
    """One Python function an activation; alpha and beta go to those that take them, in order."""
    alphas, betas = list(node.floats("activation_alpha")), list(node.floats("activation_beta"))
    found = []
    for name in activations(node):
        if name in FUNCTIONS:
            found.append(FUNCTIONS[name])
            continue
        formula, (a, b) = FORMULAS[name]
        a = alphas.pop(0) if alphas else a
        b = betas.pop(0) if betas and TAKES[name] == 2 else b
        found.append(f"lambda x: {formula.format(a=text.floating(a), b=text.floating(b))}")
    return found


def _known(node: Node) -> bool | str:
    unknown = [name for name in activations(node) if name not in FORMULAS and name not in FUNCTIONS]
    if unknown:
        return f"its activation {unknown[0]} is not one of ONNX's"
    return node.dtype() in FLOATS or "its element type is not a float"


def fits(node: Node) -> bool:
    """Whether torch's module computes this: usual activations, no clipping, no lengths, weights known."""
    names = activations(node)
    usual = names == USUAL[node.op] * directions(node)
    if node.op == "RNN":
        usual = len(set(names)) == 1 and names[0] in ("Tanh", "Relu")
    odd = node.f("clip") or node.i("input_forget") or node.floats("activation_alpha")
    if node.op == "GRU" and not node.i("linear_before_reset"):
        return False
    peepholes = node.op == "LSTM" and node.input(7) is not None
    constant = all(node.input(index) is None or node.const(index) is not None for index in (1, 2, 3))
    return bool(usual and not odd and not peepholes and constant and node.input(4) is None)


def gates(order: Sequence[int], direction: int, part: int = 0, parts: int = 1) -> Callable[[Array], Array]:
    """One direction's rows in torch's order; a bias has two parts, of the input and of the recurrence."""

    def view(array: Array) -> Array:
        chosen = array[direction]
        if parts > 1:
            chosen = chosen.reshape(parts, -1)[part]
        gate_by_gate: Array = chosen.reshape(len(order), -1, *chosen.shape[1:])[list(order)]
        return gate_by_gate.reshape(chosen.shape)

    return view


def state(node: Node) -> dict[str, Weight]:
    order = GATES[node.op]
    found: dict[str, Weight] = {}
    for direction in range(directions(node)):
        suffix = "_l0_reverse" if direction else "_l0"
        for index, name in ((1, "weight_ih"), (2, "weight_hh")):
            note = f"{name}{suffix}"
            found[name + suffix] = weight_of(node.x(index), view=gates(order, direction), note=note)
        if node.input(3) is not None:
            for part, name in enumerate(("bias_ih", "bias_hh")):
                view = gates(order, direction, part, 2)
                found[name + suffix] = weight_of(node.x(3), view=view, note=f"{name}{suffix}")
    return found


@writes("LSTM", "GRU", "RNN", only_if=lambda n: _known(n) if rank_known(n) is True else rank_known(n))
def recurrent(net: NetWriter, node: Node) -> None:
    if fits(node):
        _module(net, node)
    else:
        _steps(net, node)


def _module(net: NetWriter, node: Node) -> None:
    """torch puts both directions into the last axis; ONNX has an axis for them. Reverse is forward on flipped time."""
    layout, both = node.i("layout"), directions(node) == 2
    reverse = node.s("direction", "forward") == "reverse"
    weights = state(node)
    hidden, inputs = weights["weight_hh_l0"].shape[1], weights["weight_ih_l0"].shape[1]
    relu = node.op == "RNN" and activations(node)[0] == "Relu"
    constructor = text.call(
        f"nn.{node.op}", inputs, hidden, nonlinearity='"relu"' if relu else None,
        bias=False if node.input(3) is None else None, batch_first=True if layout else None,
        bidirectional=True if both else None,
    )  # fmt: skip
    path = net.module(node, constructor, node.op.lower(), weights)
    x = f"{net.x(node)}.flip({1 if layout else 0})" if reverse else net.x(node)
    sequence = net.fresh(f"{node.op.lower()}_out")
    names = [f"{node.op.lower()}_{name}" for name in ("h", "c")[: STATES[node.op]]]
    states = [net.fresh(name) if net.used(node, index) else "_" for index, name in enumerate(names, 1)]
    given = _initial(net, node, layout)
    shown = states[0] if set(states) == {"_"} or len(states) == 1 else f"({', '.join(states)})"
    net.line(f"{sequence}, {shown} = {path}({x}{f', {given}' if given else ''})")
    if net.used(node, 0):
        _sequence(net, node, f"{sequence}.flip({1 if layout else 0})" if reverse else sequence, hidden)
    for index, name in enumerate(states, 1):
        if net.used(node, index):
            net.set(node, f"{name}.transpose(0, 1)" if layout else name, index)


def _sequence(net: NetWriter, node: Node, result: str, hidden: int) -> None:
    """The first output. Where the graph only joins or drops the axis of directions, torch's result is that already."""
    layout, both = node.i("layout"), directions(node) == 2
    joined = [] if layout or not result.isidentifier() else _joined(node, hidden) if both else _dropped(node)
    if joined:
        for follower in joined:
            net.skipped.add(follower)
            net.alias(follower.outputs[0], result)
    elif both:
        split = f"{result}.unflatten(-1, (2, {hidden}))"
        net.set(node, split if layout else f"{split}.transpose(1, 2)")
    else:
        net.set(node, f"{result}.unsqueeze({2 if layout else 1})")


def _readers(value: ir.Value) -> list[ir.Node]:
    return [] if value.is_graph_output() else [use.node for use in value.uses()]


def _dropped(node: Node) -> list[ir.Node]:
    """The nodes that read the sequence, if all of them drop the axis of its one direction."""
    readers = _readers(node.outputs[0])
    drop = [reader.op_type == "Squeeze" and _constant(reader, 1) == [1] for reader in readers]
    return readers if all(drop) and not any(r.outputs[0].is_graph_output() for r in readers) else []


def _joined(node: Node, hidden: int) -> list[ir.Node]:
    """The nodes that put both directions side by side, and the transpositions before them; none if others read on."""
    turned = _readers(node.outputs[0])
    if not turned or any(Node(r).op != "Transpose" or Node(r).ints("perm") != (0, 2, 1, 3) for r in turned):
        return []
    joined = [reader for turn in turned for reader in _readers(turn.outputs[0])]
    for reader in joined:
        shape = shape_of(reader.outputs[0])
        side_by_side = reader.op_type == "Reshape" and shape is not None and len(shape) == 3 and shape[2] == 2 * hidden
        if not side_by_side or reader.outputs[0].is_graph_output():
            return []
    return [*turned, *joined] if joined else []


def _constant(node: ir.Node, index: int) -> list[int] | None:
    array = constant_of(node.inputs[index]) if index < len(node.inputs) else None
    return None if array is None else [int(value) for value in array.reshape(-1)]


def _initial(net: NetWriter, node: Node, layout: int) -> str | None:
    """The initial states as torch takes them; ONNX may leave one of LSTM's two out, which is then zero."""
    given = [net.opt(node, index) for index in (5, 6)[: STATES[node.op]]]
    if all(each is None for each in given):
        return None
    some = next(each for each in given if each is not None)
    listed = [each or f"torch.zeros_like({some})" for each in given]
    listed = [f"{each}.transpose(0, 1).contiguous()" for each in listed] if layout else listed
    return f"({', '.join(listed)})" if node.op == "LSTM" else listed[0]


def _steps(net: NetWriter, node: Node) -> None:
    """Clipping, peepholes, sequence lengths and unusual activations: a loop over time."""
    clip = node.f("clip")
    given: list[str] = [net.x(node), net.parameter(node, 1), net.parameter(node, 2)]
    settings: dict[str, str | None] = {
        "bias": net.parameter(node, 3) if node.input(3) is not None else None,
        "lengths": net.opt(node, 4),
        "h": net.opt(node, 5),
        "c": net.opt(node, 6) if node.op == "LSTM" else None,
        "peepholes": net.opt(node, 7) if node.op == "LSTM" else None,
        "direction": f'"{node.s("direction", "forward")}"',
        "batch_first": "True" if node.i("layout") else None,
        "clip": text.floating(clip) if clip else None,
        "coupled": "True" if node.op == "LSTM" and node.i("input_forget") else None,
        "linear_before_reset": "True" if node.op == "GRU" and node.i("linear_before_reset") else None,
    }
    functions = f"[{', '.join(expressions(node))}]"
    call = text.call(net.helper(f"{node.op.lower()}_steps"), *given, functions, **settings)
    targets = [net.target(value) for value in node.outputs]
    targets += ["_"] * (1 + STATES[node.op] - len(targets))
    net.line(f"{', '.join(targets)} = {call}")
