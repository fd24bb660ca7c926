"""What a reading function sees: the registry, one layer with its configuration and weights, the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.keras.net import Spec
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.weights import Stock
from workers.formats.layer import SourceLayer
from workers.formats.rules import Reads
from workers.hub.elements import Reordered
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Dim
from workers.inspect.hdf5 import Dataset

Array = npt.NDArray[Any]
Result = Tensor | list[Tensor]
Rule = Callable[..., Result]
reads: Reads[Rule] = Reads("Keras")
F32, F64, F16, BF16, I64, I32, BOOL, STRING = (
    ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.INT64,
    ir.DataType.INT32, ir.DataType.BOOL, ir.DataType.STRING,
)  # fmt: skip
DTYPES = {
    "float32": F32, "float64": F64, "float16": F16, "bfloat16": BF16, "int64": I64, "int32": I32, "bool": BOOL,
    "uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8, "int16": ir.DataType.INT16, "uint16": ir.DataType.UINT16,
    "uint32": ir.DataType.UINT32, "uint64": ir.DataType.UINT64, "string": STRING, "float": F32, "int": I32,
}  # fmt: skip
SIZE = 1 << 31
MAX_WINDOW = 1 << 20


@dataclass(slots=True)
class Scope:
    """What all layers of one pass share. ``flip``: kernels were stored for true convolution, by Theano.

    ``call`` reads a layer inside another: (builder, layer, key of the inner layer, arguments) -> its results.
    ``made``: weights already in the graph, by layer and label.
    """

    file: str
    flip: bool = False
    version: str = ""
    call: Callable[..., Result] | None = None
    made: dict[tuple[str, str, int], Value] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


class Layer(SourceLayer):
    """One call of a layer: ``layer.flag("use_bias", True)`` tells an option, ``layer.array("kernel")`` a weight.

    ``args`` and ``kwargs`` are the call's other arguments, with tensors in place; ``path`` names it in nested models.
    """

    system = "keras"

    def __init__(
        self, spec: Spec, stock: Stock, scope: Scope, path: str, args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, spec.type, scope.file, scope.notes)
        self.spec = spec
        self.stock = stock
        self.scope = scope
        self.kind = spec.kind
        self.config = spec.config
        self.generation = spec.generation
        self.args = args
        self.kwargs = kwargs or {}

    # --- configuration ------------------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        return self.config.get(key) is not None

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.config.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value is None:
            if default is None:
                raise self.malformed(f"its {key} is missing")
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -SIZE < value < SIZE:
            raise self.malformed(f"its {key} is {str(value)[:40]!r}, no integer")
        return value

    def real(self, key: str, default: float) -> float:
        return self.as_real(self.config.get(key), key, default)

    def as_real(self, value: Any, key: str, default: float = 0.0) -> float:
        value = unwrapped(value)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.malformed(f"its {key} is {str(value)[:40]!r}, no number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.config.get(key)
        return default if value is None else bool(value)

    def word(self, key: str, default: str = "") -> str:
        value = self.config.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.malformed(f"its {key} is {str(value)[:40]!r}, no word")
        return value

    def integers(self, key: str, default: Sequence[int] | None = None) -> list[int]:
        value = self.config.get(key)
        if value is None and default is not None:
            return list(default)
        return self.as_integers(value, key)

    def as_integers(self, value: Any, key: str) -> list[int]:
        items = value if isinstance(value, list | tuple) else [value]
        found = []
        for item in items:
            if isinstance(item, bool) or not isinstance(item, int) or not -SIZE < item < SIZE:
                raise self.malformed(f"its {key} is {str(value)[:60]!r}")
            found.append(item)
        return found

    def window(self, key: str, count: int, default: int | Sequence[int] | None = None, low: int = 1) -> list[int]:
        """A number for each of ``count`` spatial axes; one number stands for all."""
        value = self.config.get(key)
        if value is None:
            value = default
        found = self.as_integers(value, key)
        found = found * count if len(found) == 1 else found
        if len(found) != count or any(not low <= size <= MAX_WINDOW for size in found):
            raise self.malformed(f"its {key} is {found} for {count} spatial axes")
        return found

    # --- weights ------------------------------------------------------------------------------------------------------

    def owns(self, name: str) -> bool:
        return name in self.stock.own

    def stored(self, dataset: Dataset) -> Array:
        """A weight's elements, read once for all layers."""
        found = self.scope.arrays.get(dataset.path)
        if found is None:
            found = self.scope.arrays[dataset.path] = dataset.read()
        return found

    def array(self, name: str, *shape: int | None) -> Array:
        """A weight as stored; ``shape`` is what the layer needs, None where any size will do."""
        stored = self.stock.own.get(name)
        if stored is None:
            have = len(self.stock.raw)
            raise self.malformed(f"its weight {name!r} is missing; the file has {have} arrays for it")
        found = self.stored(stored)
        want = list(shape)
        fits = found.ndim == len(want) and all(w in (None, h) for w, h in zip(want, found.shape, strict=True))
        if shape and not fits:
            sizes = ", ".join("?" if size is None else str(size) for size in want)
            raise self.malformed(f"its weight {name!r} has the shape {list(found.shape)}, the layer needs [{sizes}]")
        return found

    def weight(self, g: GraphBuilder, label: str, array: Array, dtype: ir.DataType = F32) -> Value:
        """An initialiser, made once for all calls of a shared layer; narrowed or widened when it is written."""
        key = (self.name, label, int(dtype))
        found = self.scope.made.get(key)
        if found is None:
            found = self.scope.made[key] = g.weight(f"{self.name}.{label}", typed(array, dtype))
        return found

    def lazy(
        self, g: GraphBuilder, label: str, shape: Sequence[int], make: Callable[[], Array], dtype: ir.DataType = F32
    ) -> Value:
        """An initialiser whose elements are, row by row, those of ``make()``, which is called when it is written."""
        key = (self.name, label, int(dtype))
        found = self.scope.made.get(key)
        if found is None:
            lazy = Reordered(lambda: make().astype(dtype.numpy(), copy=False), dtype, shape)
            found = self.scope.made[key] = g.weight(f"{self.name}.{label}", lazy)
        return found

    # --- shapes and types ---------------------------------------------------------------------------------------------

    def sizes(self, x: Tensor, first: int = 0, stop: int | None = None) -> list[int]:
        """Keras' axes [first, stop), whose sizes must be fixed."""
        sizes = x.shape[first:stop]
        fixed = [dim for dim in sizes if isinstance(dim, int)]
        if len(fixed) != len(sizes):
            axes = [axis for axis, dim in enumerate(sizes, first % max(x.rank, 1)) if not isinstance(dim, int)]
            raise self.free(f"it needs the size of axis {', '.join(map(str, axes))} of its input")
        return fixed

    def size(self, x: Tensor, axis: int) -> int:
        axis = self.axis(axis, x.rank)
        return self.sizes(x, axis, axis + 1)[0]

    def rank(self, x: Tensor, *allowed: int) -> int:
        if allowed and x.rank not in allowed:
            words = " or ".join(map(str, allowed)) if len(allowed) < 6 else f"{allowed[0]} or more"
            raise self.malformed(f"its input has {x.rank} axes; it takes {words}")
        return x.rank

    def axis(self, axis: int, rank: int) -> int:
        if not -rank <= axis < rank:
            raise self.malformed(f"its axis {axis} does not exist in an input of {rank} axes")
        return axis % rank

    def element(self, x: Tensor | Value) -> ir.DataType:
        dtype = x.value.dtype if isinstance(x, Tensor) else x.dtype
        if dtype is None:
            raise self.free("it needs the element type of its input")
        return dtype

    def number(self, x: Tensor | Value, value: float) -> Array:
        """``value`` as a constant of the element type of ``x``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(value).astype(self.element(x).numpy())

    def fixed(self, dims: Sequence[Dim]) -> list[int]:
        found = [dim for dim in dims if isinstance(dim, int)]
        if len(found) != len(dims):
            raise self.free("it needs sizes that are free")
        return found

    @property
    def compute(self) -> ir.DataType:
        """The type that the layer computes in: its policy's, where that says so."""
        return policy(self.config.get("dtype"))

    def inner(self, g: GraphBuilder, key: str, *args: Any, **kwargs: Any) -> Result:
        """The results of a layer inside this one."""
        if self.scope.call is None:
            raise self.unsupported("it stands where no inner layer can be read")
        return self.scope.call(g, self, key, args, kwargs)


def policy(value: Any) -> ir.DataType:
    """What a layer of a dtype or a dtype policy computes in here: half or single precision.

    onnxruntime convolves and runs recurrent layers neither in double precision nor in bfloat16.
    """
    return F16 if named(value) == "float16" else F32


def named(value: Any) -> str:
    """The compute type of a dtype or a dtype policy; quantised policies compute in the type they came from."""
    name = value
    if isinstance(value, dict):
        config = value.get("config")
        config = config if isinstance(config, dict) else {}
        name = config.get("source_name") or config.get("name") or "float32"
        if isinstance(name, dict):
            return named(name)
    if not isinstance(name, str):
        return "float32"
    return name.split("_from_")[-1].removeprefix("mixed_")


def typed(array: Array, dtype: ir.DataType) -> Array | ir.LazyTensor:
    """``array`` as it is, or as ``dtype`` when it is written."""
    if array.dtype == dtype.numpy():
        return array

    def make() -> ir.TensorProtocol:
        return ir.Tensor(array.astype(dtype.numpy()))

    return ir.LazyTensor(make, dtype=dtype, shape=ir.Shape(array.shape))


def unwrapped(value: Any) -> Any:
    """A number or a list out of the records that Keras makes of arrays and numpy scalars."""
    if isinstance(value, dict) and "class_name" not in value and isinstance(value.get("value"), int | float | list):
        return value["value"]
    if isinstance(value, dict) and isinstance(value.get("config"), dict) and "value" in value["config"]:
        return value["config"]["value"]
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return value
