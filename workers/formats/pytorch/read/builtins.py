"""What TorchScript does with numbers, texts, lists and objects rather than with tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workers.errors import MalformedModel
from workers.formats.pytorch.read.branching import ModelRaises
from workers.formats.pytorch.read.dispatch import State, number_of
from workers.formats.pytorch.read.layer import NUMBERS, POISON, Layer
from workers.formats.pytorch.read.scalars import NOT_HERE, SCALAR_OPS, ScanList, scalar_op
from workers.formats.pytorch.read.symbols import Sym, emit
from workers.formats.pytorch.read.values import Tensor

WORDS = {
    "int": "Int", "float": "Float", "bool": "Bool", "len": "len", "str": "str", "abs": "abs", "min": "min",
    "max": "max", "round": "round", "sorted": "sorted", "list": "list", "print": "print", "ord": "ord",
}  # fmt: skip


def call(state: State, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of an operator that needs no tensor's data, NOT_HERE for all others."""
    namespace, _, base = name.partition("::")
    if any(arg is POISON for arg in args):
        return POISON
    rule = _RULES.get(base) if namespace in ("aten", "prim") else None
    if rule is not None:
        found = rule(state, *args, **kwargs)
        if found is not NOT_HERE:
            return found
    if namespace in ("aten", "prim") and not _has_tensor(args) and not kwargs:
        if base in ("add", "mul", "add_") and args and isinstance(args[0], list | tuple):
            return _joined(base, args)
        try:
            return scalar_op(base, args)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise MalformedModel(f"{name} of {args!r} fails: {error}", file=state.scope.file) from error
    return NOT_HERE


def names() -> list[str]:
    """What is computed here, numbers and lists included, by the names of the operators."""
    return [f"aten::{name}" for name in sorted({*_RULES, *SCALAR_OPS})]


def _has_tensor(args: Sequence[Any]) -> bool:
    return any(isinstance(a, Tensor) or (isinstance(a, list | tuple) and _has_tensor(a)) for a in args)


def _joined(base: str, args: Sequence[Any]) -> Any:
    if base == "add_" and isinstance(args[0], list):
        args[0].extend(args[1])
        return args[0]
    if base == "add" and isinstance(args[1], list | tuple):
        return ScanList([*args[0], *args[1]]) if isinstance(args[0], list) else (*args[0], *args[1])
    return ScanList(list(args[0]) * args[1]) if isinstance(args[1], int) and args[1] < 10_000 else NOT_HERE


# --- questions about values ------------------------------------------------------------------------------------------


def _is(state: State, a: Any, b: Any) -> bool:
    return a is b or ((a is None) == (b is None) and not isinstance(a, Tensor | Sym) and a == b)


def _size(state: State, x: Any, dim: Any = None) -> Any:
    if not isinstance(x, Tensor):
        return NOT_HERE
    layer = Layer("size", "aten::size", state.scope)
    if dim is None:
        return ScanList(layer.dims(x.value))
    return layer.dim(x.value, layer.integer(dim))


def _dim(state: State, x: Any) -> Any:
    return Layer("dim", "aten::dim", state.scope).rank(x.value) if isinstance(x, Tensor) else NOT_HERE


def _numel(state: State, x: Any) -> Any:
    total: Any = 1
    for size in Layer("numel", "aten::numel", state.scope).dims(x.value):
        total = scalar_op("mul", [total, size])
    return total


def _len(state: State, x: Any) -> Any:
    if isinstance(x, Tensor):
        return _size(state, x, 0)
    if isinstance(x, ScanList) and x.scan is not None:
        return Layer("len", "aten::len", state.scope).dim(x.scan, 0)
    return len(x)


def _dtype(state: State, x: Any) -> Any:
    if x.affine is not None:
        return 13 if x.value.dtype and x.value.dtype.name == "UINT8" else 12
    return NUMBERS.get(x.value.dtype)


def _item(kind: str) -> Callable[..., Any]:
    def take(state: State, x: Any) -> Any:
        if isinstance(x, Tensor):
            return number_of(state, x, kind)
        return float(x) if kind == "float" and isinstance(x, str) else NOT_HERE

    return take


def _item_of_own_kind(state: State, x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    dtype = x.value.dtype
    kind = "bool" if dtype and dtype.name == "BOOL" else "float" if dtype and dtype.is_floating_point() else "int"
    return number_of(state, x, kind)


def is_instance(value: Any, type_: str) -> bool:
    """``isinstance`` of TorchScript, by the type's text."""
    if value is None:
        return "None" in type_ or "Optional" in type_
    if isinstance(value, Tensor):
        return "Tensor" in type_ and not type_.startswith(("List", "Tuple"))
    words = {bool: "bool", int: "int", float: "float", str: "str"}
    if isinstance(value, Sym):
        return value.kind in type_
    if isinstance(value, list):
        return "List" in type_ or "list" in type_
    if isinstance(value, tuple):
        return "Tuple" in type_ or "tuple" in type_
    return words.get(type(value), "?") in type_


def _format(state: State, text: str, *args: Any) -> str:
    return text


def _raise(state: State, message: Any = "", *_: Any) -> None:
    raise ModelRaises(str(message)[:300])


# --- lists and dictionaries ------------------------------------------------------------------------------------------


def _getitem(state: State, x: Any, index: Any) -> Any:
    if isinstance(x, Tensor):
        return NOT_HERE
    index = number_of(state, index, "int")
    if isinstance(x, ScanList) and x.scan is not None:
        return _row(state, x, index)
    if isinstance(index, Sym):
        constant = index.expr.constant if index.expr is not None else None
        if constant is None:
            return _gathered(state, x, index)
        index = constant
    try:
        return x[index]
    except (LookupError, TypeError) as error:
        raise MalformedModel(f"{index!r} is not in a list or dictionary", file=state.scope.file) from error


def _row(state: State, x: ScanList, index: Any) -> Any:
    assert x.scan is not None
    row = state.g.Gather(x.scan, emit(state.g, index), axis=0)
    return Tensor(row)


def _gathered(state: State, x: Any, index: Sym) -> Any:
    """An item of a list of like tensors or numbers, by a position that only running tells."""
    layer = Layer("getitem", "aten::__getitem__", state.scope)
    if x and all(isinstance(item, Tensor) for item in x):
        first = x[0].value
        if all(item.value.dtype == first.dtype and item.value.shape == first.shape for item in x):
            rows = [state.g.Unsqueeze(item.value, [0]) for item in x]
            return Tensor(state.g.Gather(state.g.Concat(*rows, axis=0), index.scalar(state.g), axis=0))
    if x and all(type(item) is type(x[0]) and isinstance(item, int | float) for item in x):
        table = list(x)
        return Sym(type(x[0]).__name__, lambda g: g.Gather(g.constant(table), index.scalar(g)))
    state.scope.refused.append(layer.unsupported("the data decides which item of a mixed list is taken").item)
    return POISON


def _append(state: State, x: Any, item: Any) -> Any:
    if not isinstance(x, list):
        return NOT_HERE
    if state.appended and isinstance(x, ScanList) and x.loop < len(state.appended):
        state.appended[-1].setdefault(id(x), (x, []))[1].append(item)
    else:
        x.append(item)
    return x


def _set_item(state: State, x: Any, index: Any, item: Any) -> Any:
    if isinstance(x, Tensor):
        return NOT_HERE
    x[number_of(state, index, "int")] = item
    return x


def _slice(state: State, x: Any, *args: Any) -> Any:
    if isinstance(x, Tensor) or not isinstance(x, list | tuple):
        return NOT_HERE
    return type(x)(x[slice(*args)]) if isinstance(x, ScanList) else x[slice(*args)]


def _contains(state: State, x: Any, item: Any) -> Any:
    return item in x


def _range_length(state: State, low: int, high: int, step: int) -> Any:
    if step == 1 and low == 0:
        return high
    if any(isinstance(each, Sym) for each in (low, high, step)):
        return scalar_op("sub", [high, low]) if step == 1 else NOT_HERE
    return len(range(low, high, step))


def _derive_index(state: State, index: Any, start: Any, step: Any) -> Any:
    return scalar_op("add", [start, scalar_op("mul", [index, step])])


def _number_to_tensor(state: State, value: Any) -> Any:
    made = emit(state.g, value)
    if isinstance(value, Sym):
        state.scope.scalars[made] = value
    return Tensor(made)


def _pop(state: State, x: list[Any], index: int = -1) -> Any:
    return x.pop(index)


def _unpack(state: State, x: Any) -> Any:
    return x


def _extended(state: State, x: list[Any], items: list[Any]) -> Any:
    x.extend(items)
    return x


def _insert(state: State, x: list[Any], index: int, item: Any) -> Any:
    x.insert(index, item)
    return x


def _all_any(name: str) -> Callable[..., Any]:
    def judge(state: State, items: Any, *rest: Any) -> Any:
        """Of a list of truths; of tensors elsewhere."""
        if not isinstance(items, list | tuple) or rest:
            return NOT_HERE
        found: Any = name == "all"
        for item in items:
            found = scalar_op("__and__" if name == "all" else "__or__", [found, number_of(state, item, "bool")])
        return found

    return judge


def _min_max(name: str) -> Callable[..., Any]:
    def pick(state: State, *args: Any) -> Any:
        return NOT_HERE if _has_tensor(args) else scalar_op(name, args)

    return pick


_RULES: dict[str, Callable[..., Any]] = {
    "__is__": _is, "__isnot__": lambda state, a, b: not _is(state, a, b), "size": _size,
    "shape": _size, "dim": _dim, "len": _len,
    "numel": _numel, "dtype": lambda state, x: _dtype(state, x), "device": lambda state, x, *_: "cpu",
    "layout": lambda state, x: None, "is_cuda": lambda state, x: False, "is_mkldnn": lambda state, x: False,
    "is_quantized": lambda state, x: x.affine is not None, "requires_grad": lambda state, x: False,
    "is_floating_point": lambda state, x: _dtype(state, x) in (5, 6, 7, 15),
    "is_complex": lambda state, x: False, "is_sparse": lambda state, x: False, "is_nested": lambda state, x: False,
    "list_with_default": lambda state, sizes, defaults: ScanList(
        default if size is None else size for size, default in zip(sizes, defaults, strict=False)
    ),
    "_local_scalar_dense": _item_of_own_kind,
    "Int": _item("int"), "Float": _item("float"), "Bool": _item("bool"), "item": _item_of_own_kind,
    "IntImplicit": _item("int"), "FloatImplicit": _item("float"), "ScalarImplicit": _item_of_own_kind,
    "format": _format, "RaiseException": _raise, "warn": lambda state, *_, **__: None,
    "print": lambda state, *_: None, "Print": lambda state, *_: None,
    "__getitem__": _getitem, "append": _append, "_set_item": _set_item, "slice": _slice, "__contains__": _contains,
    "__in__": lambda state, item, x: item in x, "__range_length": _range_length, "__derive_index": _derive_index,
    "NumToTensor": _number_to_tensor, "pop": _pop, "extend": _extended, "insert": _insert,
    "keys": lambda state, x: ScanList(x), "values": lambda state, x: ScanList(x.values()),
    "items": lambda state, x: ScanList(x.items()), "list": lambda state, x: ScanList(x),
    "copy": lambda state, x, *a: ScanList(x) if isinstance(x, list) else dict(x) if isinstance(x, dict) else NOT_HERE,
    "sorted": lambda state, x: ScanList(sorted(x)), "reverse": lambda state, x: x.reverse(),
    "clear": lambda state, x: x.clear(), "get": lambda state, x, key, default=None: x.get(key, default),
    "data": _unpack, "unchecked_unwrap_optional": _unpack, "_unwrap_optional": _unpack,
    "unchecked_cast": _unpack, "str": lambda state, x: str(x), "isinstance": lambda state, x, t: NOT_HERE,
    "is_scripting": lambda state: True, "is_autocast_enabled": lambda state: False, "is_tracing": lambda state: False,
    "is_grad_enabled": lambda state: False, "has_torch_function": lambda state, *_: False,
    "get_num_threads": lambda state: 1, "device_of": lambda state, *_: "cpu", "is_autocast_cpu_enabled":
        lambda state: False, "AutogradZero": lambda state: None, "min": _min_max("min"),
    "type": lambda state, x, *_: x if isinstance(x, str) else NOT_HERE,
    "index": lambda state, x, *_: None if isinstance(x, str) else NOT_HERE,
    "all": _all_any("all"), "any": _all_any("any"), "max": _min_max("max"),
    "sym_size": _size, "sym_numel": _numel, "_assert": lambda state, *_, **__: None,
    "is_contiguous": lambda state, x, *_, **__: True, "_assert_tensor_metadata": lambda state, *_, **__: None,
    "_assert_scalar": lambda state, *_, **__: None, "sym_constrain_range": lambda state, *_, **__: None,
    "sym_constrain_range_for_size": lambda state, *_, **__: None, "_assert_async": lambda state, *_, **__: None,
    "get_device": lambda state, x: -1, "stride": lambda state, x, *a: NOT_HERE,
    "TupleUnpack": _unpack, "tolist": lambda state, *_: NOT_HERE, "is_same_size": lambda state, a, b:
        Layer("", "aten::is_same_size", state.scope).dims(a.value) == Layer("", "", state.scope).dims(b.value),
    "splitlines": lambda state, x: NOT_HERE, "backward": lambda state, *_, **__: None,
    "ord": lambda state, x: ord(x), "manual_seed": lambda state, *_: None,
}  # fmt: skip
