"""One call of an operator: find its function, give it ONNX values, take its results back as PyTorch's tensors.

In-place operators (``relu_``) are their functional form followed by an assignment; views remember what they look into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from inspect import Signature, signature
from typing import Any

import onnx
import onnx_ir as ir

from workers.errors import LimitExceeded, Unsupported, UnsupportedLayer
from workers.formats.layer import cast
from workers.formats.pytorch.read.folding import fold
from workers.formats.pytorch.read.layer import POISON, RAW, Layer, Rule, Scope, reads
from workers.formats.pytorch.read.shaping import expand
from workers.formats.pytorch.read.symbols import Sym
from workers.formats.pytorch.read.values import Affine, NotWritable, Tensor, View
from workers.formats.pytorch.read.writing import UNDO
from workers.hub.graph import GraphBuilder, Value

CALLS = 500_000
# Operators that bring their operands to one type and shape.
PROMOTING = frozenset({
    "add", "sub", "rsub", "mul", "div", "true_divide", "floor_divide", "remainder", "fmod", "pow", "eq", "ne", "lt",
    "le", "gt", "ge", "where", "maximum", "minimum", "max", "min", "logical_and", "logical_or", "logical_xor",
    "__and__", "__or__", "__xor__", "bitwise_and", "bitwise_or", "bitwise_xor", "atan2", "addcmul", "addcdiv", "lerp",
    "masked_fill",
})  # fmt: skip
# What Python says of arguments of another kind than an operator's: numbers for tensors, lists for numbers.
CONFUSED = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError)
INTEGERS = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.INT16, ir.DataType.INT8, ir.DataType.UINT8,
            ir.DataType.BOOL)  # fmt: skip
# Operators that give a view of their first argument: changing the result changes the argument.
VIEWS = frozenset({
    "select", "slice", "narrow", "view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "transpose", "t",
    "permute", "unsqueeze", "squeeze", "expand", "expand_as", "chunk", "split", "split_with_sizes", "unbind", "numpy_T",
    "movedim", "moveaxis", "swapaxes", "swapdims", "diagonal", "unfold", "tensor_split", "mT", "mH", "adjoint",
})  # fmt: skip
# Operators that may give their argument itself.
SAME = frozenset({
    "contiguous", "to", "detach", "alias", "lift_fresh", "lift", "dropout", "feature_dropout", "alpha_dropout",
    "feature_alpha_dropout", "type_as", "float", "requires_grad", "cpu", "cuda", "data", "resolve_conj", "resolve_neg",
    "detach_copy", "_conj", "conj", "real", "positive", "rrelu", *VIEWS,
})  # fmt: skip
_FUNCTIONAL = {"__iand__": "__and__", "__ior__": "__or__", "__ixor__": "__xor__", "__iadd__": "add"}
_signatures: dict[Rule, Signature] = {}


@dataclass(slots=True)
class State:
    """Where the reading stands: the builder of the graph at hand, and which tensors were changed in it.

    ``kept``: builders of sub-graphs, those given up included, so that none is mistaken for another. ``appended``: for
    each loop that is being read, the lists of its outside that grow in it, with what was appended.
    """

    scope: Scope
    g: GraphBuilder
    progress: Callable[[int, int, str], None]
    total: int = 0
    journal: list[dict[Tensor, Value]] = field(default_factory=list)
    kept: list[GraphBuilder] = field(default_factory=list)
    appended: list[dict[int, Any]] = field(default_factory=list)

    def changed(self, tensor: Tensor) -> None:
        """Remember what ``tensor`` was before its first change in each branch that is being read."""
        for changes in self.journal:
            changes.setdefault(tensor, tensor.value)


def call(
    state: State, name: str, layer_name: str, args: Sequence[Any], kwargs: Mapping[str, Any], overload: str = ""
) -> Any:
    """The result of ``aten::conv2d``, ``quantized::add``...; POISON where it cannot be read, with a refusal noted."""
    namespace, _, base = name.partition("::")
    if POISON in _flat([*args, *kwargs.values()]):
        return POISON
    functional, writes = _functional(namespace, base)
    layer = Layer(layer_name, f"{namespace}::{functional}", state.scope, overload)
    state.scope.done += 1
    if state.scope.done > CALLS:
        raise LimitExceeded("nodes", f"the model makes more than {CALLS:,} calls of operators", limit=CALLS)
    state.progress(min(state.scope.done, state.total or state.scope.done), state.total, layer_name)
    rule = reads.find(layer.type, layer.name)
    if rule is None:
        return _refuse(state, Unsupported(layer.name, layer.type, reads.why_not(layer.type)))
    try:
        with state.g.layer(layer.name, layer.type):
            if writes:
                return _in_place(state, layer, rule, functional, args, kwargs)
            return _plain(state, layer, rule, functional, args, kwargs)
    except UnsupportedLayer as error:
        return _refuse(state, error.item)
    except NotWritable as error:
        reason = f"it changes a tensor in place through the view that {error} gave"
        return _refuse(state, Unsupported(layer.name, layer.type, reason))
    except CONFUSED as error:
        raise layer.malformed(f"its arguments are not those of the operator ({error!s:.200})") from error
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ir.serde.SerdeError) as error:
        raise layer.malformed(f"its inputs do not fit it: {str(error).strip().splitlines()[-1][:300]}") from error


def _refuse(state: State, item: Unsupported) -> Any:
    if item not in state.scope.refused:
        state.scope.refused.append(item)
    return POISON


@cache
def _functional(namespace: str, base: str) -> tuple[str, bool]:
    """The functional operator's name, and whether this is its in-place form."""
    if base in _FUNCTIONAL:
        return _FUNCTIONAL[base], True
    if base.endswith("_") and not base.endswith("__") and reads.find(f"{namespace}::{base}") is None:
        return base[:-1], True
    return base, False


def _flat(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        found.extend(_flat(value) if isinstance(value, list | tuple) else [value])
    return found


# --- calling ---------------------------------------------------------------------------------------------------------


def _plain(
    state: State, layer: Layer, rule: Rule, base: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:  # fmt: skip
    g, start = state.g, len(state.g.made)
    if layer.type in RAW:
        return _bound(rule, g, layer, args, kwargs)
    if base in PROMOTING or layer.type.removeprefix("aten::") in PROMOTING:
        args = [state.scope.wrapped.get(arg, arg) if isinstance(arg, Tensor) else arg for arg in args]
        _broadcast(layer, args)
    affine = next((a.affine for a in _flat([*args, *kwargs.values()]) if isinstance(a, Tensor) and a.affine), None)
    given = [_value(g, arg) for arg in args]
    result = _bound(rule, g, layer, given, {key: _value(g, value) for key, value in kwargs.items()})
    _check_sizes(layer, g.made[start:])
    result = fold(g, start, result)
    if len(g.made) == start:
        state.scope.release(layer.name)
    return _wrapped(state, layer, rule, base, result, args, kwargs, affine)


def _check_sizes(layer: Layer, made: Sequence[ir.Node]) -> None:
    """A window larger than its input, and the like, show in a negative size."""
    for node in made:
        for output in node.outputs:
            if output.shape is not None and any(isinstance(size, int) and size < 0 for size in output.shape):
                raise layer.malformed(f"its result would have the shape {list(output.shape)}")


def _broadcast(layer: Layer, args: Sequence[Any]) -> None:
    """Raises FreeAxis where a fixed size above 1 meets a free axis: it was baked in by tracing."""
    shapes = [list(arg.value.shape) for arg in args if isinstance(arg, Tensor) and arg.value.shape is not None]
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        sizes = [shape[-axis] for shape in shapes if len(shape) >= axis]
        fixed = [size for size in sizes if isinstance(size, int) and size > 1]
        free = [size.value for size in sizes if not isinstance(size, int) and size.value is not None]
        if fixed and free:
            raise layer.free(f"a size of {fixed[0]} meets the free axis {free[0]}")


def _bound(rule: Rule, g: GraphBuilder, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if rule not in _signatures:
        _signatures[rule] = signature(rule)
    try:
        _signatures[rule].bind(g, layer, *args, **kwargs)
    except TypeError as error:
        raise layer.malformed(f"its arguments are not those of the operator: {error}") from None
    return rule(g, layer, *args, **kwargs)


def _value(g: GraphBuilder, argument: Any) -> Any:
    """An argument with ONNX values for tensors; quantised ones as the numbers they stand for."""
    if isinstance(argument, Tensor):
        return plain(g, argument)
    if isinstance(argument, list | tuple):
        return [_value(g, item) for item in argument]
    return argument


def plain(g: GraphBuilder, tensor: Tensor) -> Value:
    if tensor.affine is None:
        return tensor.value
    affine = tensor.affine
    return g.DequantizeLinear(tensor.value, affine.scale, affine.zero_point, axis=affine.axis)


def requantised(g: GraphBuilder, value: Value, affine: Affine) -> Tensor:
    return Tensor(g.QuantizeLinear(value, affine.scale, affine.zero_point, axis=affine.axis), affine)


def _wrapped(
    state: State, layer: Layer, rule: Rule, base: str, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any],
    affine: Affine | None,
) -> Any:  # fmt: skip
    """The results as tensors: the argument itself, a view of it, or a new one."""
    source = args[0] if args and isinstance(args[0], Tensor) else None
    if isinstance(result, ir.Value):
        if source is not None and source.affine is None and base in SAME and result is source.value:
            return source
        if affine is not None and result.dtype == ir.DataType.FLOAT:
            return requantised(state.g, result, affine)
        if source is not None and source.affine is None and base in VIEWS:
            return Tensor(result, view=_view(state, layer, rule, base, source, args, kwargs, None))
        return Tensor(result)
    if isinstance(result, list | tuple):
        items = []
        for index, item in enumerate(result):
            if isinstance(item, ir.Value) and source is not None and affine is None and base in VIEWS:
                items.append(Tensor(item, view=_view(state, layer, rule, base, source, args, kwargs, index)))
            else:
                items.append(_wrapped(state, layer, rule, "", item, (), {}, affine))
        return items if isinstance(result, list) else tuple(items)
    return result


def _view(
    state: State, layer: Layer, rule: Rule, base: str, source: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any],
    index: int | None,
) -> View:  # fmt: skip
    rest = [_value(state.g, arg) for arg in args[1:]]
    named = {key: _value(state.g, value) for key, value in kwargs.items()}

    def redo(value: Value) -> Value:
        with state.g.layer(layer.name, layer.type):
            made = rule(state.g, layer, value, *rest, **named)
        found: Value = made if index is None else made[index]
        return found

    undo = UNDO.get(base)
    if undo is None:
        return View(source, redo, None, layer.type)

    def back(value: Value, new: Value) -> Value:
        found: Value = undo(state.g, layer, value, new, index, *rest, **named)
        return found

    return View(source, redo, back, layer.type)


def _in_place(
    state: State, layer: Layer, rule: Rule, base: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:  # fmt: skip
    """``x.op_(...)``: the functional result in ``x``'s type and shape becomes ``x``'s content."""
    target = args[0] if args else kwargs.get("self")
    if not isinstance(target, Tensor):
        raise layer.malformed("its first argument is no tensor")
    if layer.type in RAW:
        return _bound(rule, state.g, layer, args, kwargs)
    result = _plain(state, layer, rule, "", args, kwargs)
    if not isinstance(result, Tensor):
        raise layer.malformed("its in-place form has no single result")
    g = state.g
    if target.affine is not None:
        value = result.value
    elif base in ("squeeze", "unsqueeze", "transpose", "t", "resize"):
        target.view = None
        value = result.value
    else:
        value = expand(
            g, layer, cast(g, result.value, target.value.dtype or ir.DataType.FLOAT), layer.dims(target.value)
        )
    target.put(value, state.changed)
    return target


def number_of(state: State, value: Any, kind: str) -> Any:
    """A tensor of one element as a number; a Python number, or a Sym, as it is."""
    if not isinstance(value, Tensor):
        return value
    layer = Layer("", "aten::item", state.scope)
    inner = plain(state.g, value)
    known = layer.known(inner)
    if known is not None and known.size == 1:
        return {"int": int, "float": float, "bool": bool}[kind](known.reshape(()))
    if kind == "int":
        layer.expects(inner, *INTEGERS)
    if inner in state.scope.scalars and kind == "int":
        return state.scope.scalars[inner]
    return Sym(kind, lambda g: _scalar(g, inner, kind))


def _scalar(g: GraphBuilder, value: Value, kind: str) -> Value:
    dtype = {"int": ir.DataType.INT64, "float": ir.DataType.FLOAT, "bool": ir.DataType.BOOL}[kind]
    value = cast(g, value, dtype)
    return value if value.shape is not None and not len(value.shape) else g.Reshape(value, g.constant([], "int64"))
