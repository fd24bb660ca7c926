"""Element by element: arithmetic, comparison, logic, functions of one variable."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import INTEGERS, UNSIGNED, D, torch_name
from workers.hub.node import Node, shape_of

UNARY = {
    "Abs": "torch.abs", "Acos": "torch.acos", "Acosh": "torch.acosh", "Asin": "torch.asin", "Asinh": "torch.asinh",
    "Atan": "torch.atan", "Atanh": "torch.atanh", "Ceil": "torch.ceil", "Cos": "torch.cos", "Cosh": "torch.cosh",
    "Erf": "torch.erf", "Exp": "torch.exp", "Floor": "torch.floor", "IsNaN": "torch.isnan", "Log": "torch.log",
    "Not": "torch.logical_not", "Reciprocal": "torch.reciprocal", "Round": "torch.round", "Sign": "torch.sign",
    "Sin": "torch.sin", "Sinh": "torch.sinh", "Sqrt": "torch.sqrt", "Tan": "torch.tan",
    "BitwiseNot": "torch.bitwise_not",
}  # fmt: skip

INFIX = {
    "Add": "+", "Sub": "-", "Mul": "*", "And": "&", "Or": "|", "Xor": "^", "BitwiseAnd": "&", "BitwiseOr": "|",
    "BitwiseXor": "^", "Equal": "==", "Greater": ">", "GreaterOrEqual": ">=", "Less": "<", "LessOrEqual": "<=",
}  # fmt: skip


@writes(*UNARY)
def unary(net: NetWriter, node: Node) -> None:
    net.set(node, f"{UNARY[node.op]}({net.x(node)})")


@writes("Neg")
def neg(net: NetWriter, node: Node) -> None:
    net.set(node, f"-{net.x(node)}")


@writes("Identity")
def identity(net: NetWriter, node: Node) -> None:
    net.alias_of(node.outputs[0], node.x(0))


@writes("IsInf")
def is_inf(net: NetWriter, node: Node) -> None:
    signs = (node.i("detect_negative", 1), node.i("detect_positive", 1))
    function = {(1, 1): "torch.isinf", (1, 0): "torch.isneginf", (0, 1): "torch.isposinf"}.get(signs)
    x = net.x(node)
    net.set(node, f"torch.zeros_like({x}, dtype=torch.bool)" if function is None else f"{function}({x})")


def operands(net: NetWriter, node: Node, *, trained: bool = False) -> tuple[str, str]:
    """Both operands; a constant of one element is a literal where the other one sets type and rank."""
    given = []
    for index, other in ((0, 1), (1, 0)):
        shape = shape_of(node.x(other))
        literal = net.scalar(node.x(index), None if shape is None else len(shape))
        given.append(None if net.scalar(node.x(other), 64) is not None and index == 0 else literal)
    return tuple(  # type: ignore[return-value]
        literal if literal is not None else net.parameter(node, index) if trained else net.x(node, index)
        for index, literal in enumerate(given)
    )


@writes(*INFIX)
def infix(net: NetWriter, node: Node) -> None:
    """Factors and terms that are weights can be trained further."""
    a, b = operands(net, node, trained=node.op in ("Add", "Mul"))
    if node.op == "Equal" and net.scalar(node.x(0), 64) == a:
        a, b = b, a
    net.set(node, f"{a} {INFIX[node.op]} {b}")


@writes("Div")
def div(net: NetWriter, node: Node) -> None:
    """ONNX divides integers towards zero."""
    if node.dtype() not in INTEGERS:
        a, b = operands(net, node)
        net.set(node, f"{a} / {b}")
    elif node.dtype() is D.UINT64:
        net.set(node, text.call(net.helper("divide_unsigned"), net.x(node, 0), net.x(node, 1)))
    else:
        a, b = net.x(node, 0), operands(net, node)[1]
        net.set(node, f'torch.div({a}, {b}, rounding_mode="trunc")')


@writes("Mod")
def mod(net: NetWriter, node: Node) -> None:
    """``fmod`` has the sign of the dividend, else the remainder has that of the divisor."""
    if node.dtype() is D.UINT64:
        a, b = net.x(node, 0), net.x(node, 1)
        net.set(node, f"{a} - {text.call(net.helper('divide_unsigned'), a, b)} * {b}")
        return
    function = "torch.fmod" if node.i("fmod") else "torch.remainder"
    a, b = net.x(node, 0), operands(net, node)[1]
    net.set(node, f"{function}({a}, {b})")


@writes("Pow")
def pow_(net: NetWriter, node: Node) -> None:
    """The result has the base's type; an integer base with another exponent goes through double, as runtimes do."""
    base, exponent = node.dtype(0), node.dtype(1)
    literal = net.scalar(node.input(1), node.rank)
    if base in INTEGERS and (literal is None or exponent not in INTEGERS or literal.startswith("-")):
        power = f"torch.pow({net.x(node, 0)}.to(torch.float64), {net.x(node, 1)})"
        net.set(node, f"{power}.to({'torch.int64' if base in UNSIGNED else torch_name(base)})")
        if base is D.UINT8:
            net.line(f"{net.name_of(node.outputs[0])} = {net.name_of(node.outputs[0])}.to(torch.uint8)")
        return
    if literal is None:
        power = f"torch.pow({net.x(node, 0)}, {net.x(node, 1)})"
        net.set(node, power if base == exponent else f"{power}.to({torch_name(base)})")
    else:
        net.set(node, f"torch.pow({net.x(node, 0)}, {literal})")


@writes("BitShift")
def bit_shift(net: NetWriter, node: Node) -> None:
    if node.s("direction") == "LEFT":
        net.set(node, f"{net.x(node, 0)} << {net.x(node, 1)}")
    elif node.dtype() is D.UINT64:
        net.set(node, text.call(net.helper("shift_right_unsigned"), net.x(node, 0), net.x(node, 1)))
    else:
        net.set(node, f"{net.x(node, 0)} >> {net.x(node, 1)}")


@writes("Max", "Min")
def extreme(net: NetWriter, node: Node) -> None:
    """Over any number of inputs, broadcast; a NaN wins, as in ONNX."""
    function = "torch.maximum" if node.op == "Max" else "torch.minimum"
    given = [net.tensor(value) for value in node.inputs if value is not None]
    if len(given) == 1:
        net.alias_of(node.outputs[0], node.x(0))
        return
    result = given[0]
    for other in given[1:]:
        result = f"{function}({result}, {other})"
    net.set(node, result)


@writes("Sum", "Mean")
def sum_(net: NetWriter, node: Node) -> None:
    given = [net.tensor(value) for value in node.inputs if value is not None]
    if len(given) == 1:
        net.alias_of(node.outputs[0], node.x(0))
        return
    total = " + ".join(given)
    net.set(node, f"({total}) / {len(given)}" if node.op == "Mean" else total)


@writes("Where")
def where(net: NetWriter, node: Node) -> None:
    """A literal is a Python number, which takes the other branch's type; two of them would not have one."""
    branches = [net.scalar(node.x(index)) for index in (1, 2)]
    if None not in branches:
        branches = [None, None]
    a, b = (literal or net.x(node, index) for index, literal in zip((1, 2), branches, strict=True))
    net.set(node, f"torch.where({net.x(node, 0)}, {a}, {b})")
