"""What the readers' layers have in common: how reading one may end, and what may be asked of its inputs.

A format's own ``Layer`` says how attributes, weights and inputs are found in its files.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import MalformedModel, UnsupportedLayer
from workers.formats.contract import Note
from workers.formats.free_axes import FreeAxis
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

Value = ir.Value
FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


class SourceLayer:
    """One layer of a source: its name and type, the ``file`` that holds it, the ``notes`` of the reading.

    ``system`` is the format's name, ``noun`` what the format calls a layer.
    """

    system: ClassVar[str]
    noun: ClassVar[str] = "layer"

    def __init__(self, name: str, type: str, file: str, notes: list[Note]) -> None:
        self.name = name
        self.type = type
        self.file = file
        self.notes = notes

    def unsupported(self, reason: str) -> UnsupportedLayer:
        """To be raised: the layer is well-formed and cannot be said in ONNX, or not known well enough."""
        return UnsupportedLayer(self.system, self.name, self.type, reason)

    def malformed(self, reason: str) -> MalformedModel:
        """To be raised: the framework would refuse this layer, too."""
        return MalformedModel(
            f"{self.noun} {self.name!r} ({self.place}): {reason}", file=self.file or None, layer=self.name, op=self.type
        )

    @property
    def place(self) -> str:
        """What stands behind the layer's name in an error."""
        return self.type

    def free(self, reason: str) -> FreeAxis:
        """To be raised: the layer needs a size that was left free."""
        return FreeAxis(self.name, self.type, reason)

    def note(self, code: str, detail: str) -> None:
        self.notes.append(Note(code, detail, self.name))


class TensorLayer(SourceLayer):
    """A layer that counts the axes of its inputs from 0, and from -1 at the end. ``port``: what it calls an input."""

    port: ClassVar[str] = "input"

    def axis(self, axis: int, rank: int, *, extra: int = 0) -> int:
        """An axis as a non-negative one; negative ones count from the end (``extra``: from behind the end)."""
        if not -(rank + extra) <= axis < rank + extra:
            article = "an" if self.port == "input" else "a"
            raise self.malformed(f"its axis {axis} does not exist in {article} {self.port} of {rank} axes")
        return axis + rank + extra if axis < 0 else axis

    def same(self, a: Dim, b: Dim, what: str) -> None:
        """Two sizes must be one: numbers that differ are an error, a number and a free axis a reason to fall back."""
        if isinstance(a, int) and isinstance(b, int):
            if a != b:
                raise self.malformed(f"{what} is {a} here and {b} there")
        elif a != b:
            raise self.free(f"{what} must be {a if isinstance(a, int) else b}")


class ValueLayer(TensorLayer):
    """A layer whose inputs are values of the graph: ``layer.shape(x)``, and ``layer.sizes(x, 2)`` in numbers."""

    def shape(self, x: Value) -> tuple[Dim, ...]:
        """The shape of an input; its rank must be known."""
        try:
            return GraphBuilder.shape(x)
        except ValueError:
            raise self.free(f"it needs the rank of its {self.port}, which depends on the data") from None

    def sizes(self, x: Value, first: int = 0, stop: int | None = None) -> tuple[int, ...]:
        """The sizes of the axes [first, stop), which must be fixed."""
        sizes = self.shape(x)[first:stop]
        fixed = tuple(dim for dim in sizes if isinstance(dim, int))
        if len(fixed) != len(sizes):
            axes = [axis for axis, dim in enumerate(sizes, first) if not isinstance(dim, int)]
            raise self.free(f"it needs the size of axis {', '.join(map(str, axes))} of its {self.port}")
        return fixed

    def rank(self, x: Value, *allowed: int) -> int:
        """The input's rank, which must be one of ``allowed`` if any are given."""
        rank = len(self.shape(x))
        if allowed and rank not in allowed:
            words = " or ".join(map(str, allowed)) if len(allowed) < 6 else f"{allowed[0]} or more"
            raise self.malformed(f"its {self.port} has {rank} axes; it takes {words}")
        return rank

    def element(self, x: Value) -> ir.DataType:
        if x.dtype is None:
            raise self.free(f"it needs the element type of its {self.port}")
        return x.dtype

    def number(self, x: Value, value: Any) -> npt.NDArray[Any]:
        """``value`` as a constant of the element type of ``x``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(value).astype(self.element(x).numpy())

    def is_float(self, x: Value) -> bool:
        return self.element(x) in FLOATS


def cast(g: GraphBuilder, x: Value, dtype: ir.DataType) -> Value:
    """``x`` as ``dtype``, itself where it is that already."""
    return x if x.dtype == dtype else g.Cast(x, to=int(dtype))
