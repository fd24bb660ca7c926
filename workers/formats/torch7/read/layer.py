"""What a reading function sees: the registry, one module with its fields, and the reading at large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.layer import SourceLayer
from workers.formats.rules import Reads
from workers.formats.torch7.objects import Array, Object, Storage, Table, Tensor
from workers.formats.torch7.read.dims import reshaped
from workers.formats.torch7.read.memory import Data, Ref
from workers.hub.elements import Reordered
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

if TYPE_CHECKING:
    from workers.formats.torch7.read.network import Run

Value: TypeAlias = ir.Value
Flow = Callable[["Run", "Layer", Data], Data]
F32, I64 = ir.DataType.FLOAT, ir.DataType.INT64
flows: Reads[Flow] = Reads("Torch7")
SIZE = 2**31 - 1


@dataclass(slots=True)
class Scope:
    """What all modules of one pass share. ``weights``: initialisers by the tensor they stand for."""

    file: str
    one_based: bool = True
    notes: list[Note] = field(default_factory=list)
    weights: dict[Any, Value] = field(default_factory=dict)


def classes(*names: str) -> list[str]:
    """Class names of several packages: a bare ``ReLU`` is nn's and cudnn's."""
    return [full for name in names for full in ([name] if "." in name else [f"nn.{name}", f"cudnn.{name}"])]


def reads(*types: str, keeps_type: bool = False) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """A function (g, layer, x) -> y for modules from one tensor to a new one.

    With the field ``inplace`` set the result is written into the input, which is then returned. Integers become float32
    first, unless the module ``keeps_type``.
    """

    def add(rule: Callable[..., Value]) -> Callable[..., Value]:
        @flows(*classes(*types))
        def flow(run: Run, layer: Layer, data: Data) -> Data:
            x = layer.one(data)
            value = x.read() if keeps_type else layer.floats(run.g, x.read())
            result = rule(run.g, layer, value)
            if not layer.flag("inplace"):
                return Ref(result)
            x.write(result)
            return x

        return rule

    return add


def reads_table(
    *types: str, least: int = 1, most: int | None = None
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """A function (g, layer, xs) -> y for modules from a table of tensors to a new one; in place, into the first."""

    def add(rule: Callable[..., Value]) -> Callable[..., Value]:
        @flows(*classes(*types))
        def flow(run: Run, layer: Layer, data: Data) -> Data:
            xs = layer.table(data, least, most)
            result = rule(run.g, layer, [layer.floats(run.g, x.read()) for x in xs])
            if not layer.flag("inplace"):
                return Ref(result)
            xs[0].write(result)
            return xs[0]

        return rule

    return add


class Layer(SourceLayer):
    """One module: ``layer.flag("ceil_mode")`` reads a field, ``layer.weight(g, "bias")`` makes an initialiser."""

    system = "torch7"
    noun = "module"

    def __init__(self, module: Object, name: str, scope: Scope) -> None:
        super().__init__(name, module.class_name, scope.file, scope.notes)
        self.module, self.scope = module, scope

    # --- fields -------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        return self.module.get(key)

    def has(self, key: str) -> bool:
        return self.module.get(key) is not None

    def real(self, key: str, default: float | None = None) -> float:
        value = self.module.get(key, default)
        if isinstance(value, Tensor) and value.size == 1:
            return float(self.array(key).reshape(-1)[0])
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.malformed(f"its field {key} is " + ("missing" if value is None else "no number"))
        return float(value)

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.real(key, default)
        if not value.is_integer() or abs(value) > SIZE:
            raise self.malformed(f"its field {key} is {value:g}, which is no size")
        return int(value)

    def positive(self, key: str, default: int | None = None, least: int = 1) -> int:
        value = self.integer(key, default)
        if value < least:
            raise self.malformed(f"its field {key} is {value}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.module.get(key, default)
        return value is not False and value is not None

    def sizes(self, key: str) -> list[int]:
        """A LongStorage, a LongTensor or a table of whole numbers."""
        value = self.module.get(key)
        found: Sequence[Any] = ()
        if isinstance(value, Storage) and value.size <= 64:
            found = value.integers()
        elif isinstance(value, Tensor) and value.size <= 64:
            found = self.array(key).reshape(-1).tolist()
        elif isinstance(value, Table):
            found = value.items()
        elif isinstance(value, Storage | Tensor):
            raise self.malformed(f"its field {key} has {value.size} sizes")
        if any(not isinstance(size, int | float) or size != int(size) or abs(size) > SIZE for size in found):
            raise self.malformed(f"its field {key} holds something else than sizes")
        return [int(size) for size in found]

    def modules(self) -> list[Object]:
        """The modules inside a container."""
        table = self.module.get("modules")
        found = table.items() if isinstance(table, Table) else []
        if any(not isinstance(item, Object) for item in found):
            raise self.malformed("one of its modules is no object")
        return found

    def inner(self, key: str) -> Object:
        """A module in a field."""
        value = self.module.get(key)
        if not isinstance(value, Object):
            raise self.malformed(f"its field {key} is no module")
        return value

    # --- parameters ---------------------------------------------------------------------------------------------------

    def tensor(self, key: str) -> Tensor | None:
        """A field that is a tensor with elements in it, else None."""
        value = self.module.get(key)
        return value if isinstance(value, Tensor) and value.size else None

    def needed(self, key: str) -> Tensor:
        tensor = self.tensor(key)
        if tensor is None:
            raise self.malformed(f"its field {key} holds no tensor")
        try:
            tensor.check()
        except ValueError as error:
            raise self.malformed(f"its field {key}: {error}") from None
        return tensor

    def array(self, key: str) -> Array:
        """A field's elements as stored: a view on the file."""
        return self.needed(key).array()

    def weight(
        self, g: GraphBuilder, key: str, shape: Sequence[int] | None = None,
        change: Callable[[Array], Array] | None = None, label: str = "",
    ) -> Value:  # fmt: skip
        """A tensor of the module as a float32 initialiser of ``shape``, made once for all who share it.

        ``change`` makes the wanted array from the stored one when it is written; ``label`` tells changes apart.
        """
        tensor = self.needed(key)
        wanted = tuple(shape) if shape is not None else tensor.shape
        if int(np.prod(wanted)) != tensor.size:
            raise self.malformed(f"its {key} has the shape {list(tensor.shape)}, {list(wanted)} is needed")
        made = (tensor.key, wanted, label)
        if made not in self.scope.weights:
            self.scope.weights[made] = self._stored(g, key, wanted, change)
        return self.scope.weights[made]

    def _stored(
        self, g: GraphBuilder, key: str, shape: tuple[int, ...], change: Callable[[Array], Array] | None
    ) -> Value:
        array = self.array(key)
        name = f"{self.name}.{key}"
        if change is None and array.dtype == np.float32 and array.flags.c_contiguous:
            return g.weight(name, array.reshape(shape))
        return self.made(g, name, shape, lambda: change(array) if change else array)

    def made(self, g: GraphBuilder, name: str, shape: Sequence[int], make: Callable[[], Array]) -> Value:
        """A float32 initialiser of the elements of ``make()``, row by row, which is called when it is written."""
        return g.weight(name, Reordered(lambda: np.asarray(make(), np.float32), F32, shape))

    # --- inputs -------------------------------------------------------------------------------------------------------

    def one(self, data: Data) -> Ref:
        """The input, which must be a tensor."""
        if not isinstance(data, Ref):
            raise self.malformed("its input is a table; it takes a tensor")
        return data

    def table(self, data: Data, least: int = 1, most: int | None = None) -> list[Ref]:
        """The input, which must be a table of tensors."""
        if not isinstance(data, list):
            raise self.malformed("its input is a tensor; it takes a table")
        found = [item for item in data if isinstance(item, Ref)]
        if len(found) != len(data) or len(found) < least or (most is not None and len(found) > most):
            raise self.malformed(f"its input is a table of {len(data)}, of which {len(found)} are tensors")
        return found

    def floats(self, g: GraphBuilder, x: Value) -> Value:
        return x if x.dtype == F32 else g.Cast(x, to=int(F32))

    def shape(self, x: Value) -> tuple[Dim, ...]:
        try:
            return GraphBuilder.shape(x)
        except ValueError:
            raise self.free("it needs the rank of its input, which depends on the data") from None

    def rank(self, x: Value, *allowed: int) -> int:
        """The input's rank, which must be one of ``allowed`` if any are given."""
        rank = len(self.shape(x))
        if allowed and rank not in allowed:
            raise self.malformed(f"its input has {rank} axes; it takes {' or '.join(map(str, allowed))}")
        return rank

    def size(self, x: Value, axis: int) -> int:
        """The size of an axis, which must be fixed."""
        size = self.shape(x)[axis]
        if not isinstance(size, int):
            raise self.free(f"it needs the size of axis {axis + 1} of its input")
        return size

    def axis(self, number: int, rank: int, extra: int = 0) -> int:
        """Torch's dimension, counted from 1 or backwards from -1, as an axis."""
        axis = number - 1 if number > 0 else rank + extra + number
        if number == 0 or not 0 <= axis < rank + extra:
            raise self.malformed(f"dimension {number} does not exist in an input of {rank}")
        return axis

    def reshape(self, g: GraphBuilder, x: Value, dims: Sequence[Dim]) -> Value:
        result = reshaped(g, x, dims)
        if result is None:
            raise self.free(f"it reshapes {list(self.shape(x))} to {list(dims)}")
        return result
