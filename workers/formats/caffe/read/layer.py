"""What a reading function sees: the registry and one layer with its parameters and weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.errors import MalformedModel, UnsupportedLayer
from workers.formats.caffe.file import Array, same_shape, shown
from workers.formats.caffe.net import Step
from workers.formats.caffe.weights import StoredBlob
from workers.formats.contract import Note
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

Value = ir.Value
Rule = Callable[..., Value | Sequence[Value]]
reads: Reads[Rule] = Reads("Caffe")


class FreeAxis(Exception):
    """A layer needs the size of an axis that was left free; the reader falls back to fixed sizes, or says so."""

    def __init__(self, layer: str, type: str, reason: str) -> None:
        super().__init__(reason)
        self.layer = layer
        self.type = type
        self.reason = reason


class MissingBlobs(Exception):
    """A layer's weights are in no file and without them not even its output's shape is known."""


class Layer:
    """One layer: ``layer.pooling_param.kernel_size`` reads its record, ``weight`` its blobs.

    ``stored`` are its blobs as the weights file has them, ``owners`` the name of the initialiser of each (shared
    parameters are one initialiser), ``weights`` the initialisers made so far by that name.
    """

    def __init__(
        self, step: Step, stored: Sequence[StoredBlob], owners: Sequence[str], weights: dict[str, Value], file: str
    ) -> None:
        self.record = step.record
        self.step = step
        self.name: str = step.record.name
        self.type: str = step.record.type
        self.tops = len(step.tops)
        self.stored = stored
        self.owners = owners
        self.weights = weights
        self.file = file
        self.used: set[int] = set()
        self.lacks_weights = False
        self.notes: list[Note] = []

    def __getattr__(self, field: str) -> Any:
        return getattr(self.record, field)

    # --- endings ------------------------------------------------------------------------------------------------------

    def unsupported(self, reason: str) -> UnsupportedLayer:
        """To be raised: the layer is well-formed and cannot be said in ONNX, or not known well enough."""
        return UnsupportedLayer("caffe", self.name, self.type, reason)

    def malformed(self, reason: str) -> MalformedModel:
        """To be raised: Caffe would refuse this layer, too."""
        return MalformedModel(
            f"layer {self.name!r} ({self.type}): {reason}", file=self.file or None, layer=self.name, op=self.type
        )

    def free(self, reason: str) -> FreeAxis:
        """To be raised: the layer needs a size that was left free."""
        return FreeAxis(self.name, self.type, reason)

    def note(self, code: str, detail: str) -> None:
        self.notes.append(Note(code, detail, self.name))

    # --- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, x: Value) -> tuple[Dim, ...]:
        """The shape of a bottom; its rank must be known."""
        try:
            return GraphBuilder.shape(x)
        except ValueError:
            raise self.free("it needs the rank of its bottom, which depends on the data") from None

    def sizes(self, x: Value, first: int = 0, stop: int | None = None) -> tuple[int, ...]:
        """The sizes of the axes [first, stop), which must be fixed."""
        sizes = self.shape(x)[first:stop]
        fixed = tuple(dim for dim in sizes if isinstance(dim, int))
        if len(fixed) != len(sizes):
            axes = [axis for axis, dim in enumerate(sizes, first) if not isinstance(dim, int)]
            raise self.free(f"it needs the size of axis {', '.join(map(str, axes))} of its bottom")
        return fixed

    def channels(self, x: Value, axis: int = 1) -> int:
        return self.sizes(x, axis, axis + 1)[0] if len(self.shape(x)) > axis else 1

    def rank(self, x: Value, *allowed: int) -> int:
        """The bottom's rank, which must be one of ``allowed`` if any are given."""
        rank = len(self.shape(x))
        if allowed and rank not in allowed:
            raise self.malformed(f"its bottom has {rank} axes; it takes {' or '.join(map(str, allowed))}")
        return rank

    def axis(self, axis: int, rank: int, *, extra: int = 0) -> int:
        """A Caffe axis as a non-negative one: negative ones count from the end (``extra``: from behind the end)."""
        if not -(rank + extra) <= axis < rank + extra:
            raise self.malformed(f"its axis {axis} does not exist in a bottom of {rank} axes")
        return axis + rank + extra if axis < 0 else axis

    # --- weights ------------------------------------------------------------------------------------------------------

    def array(self, index: int, shape: Sequence[int] | None = None) -> Array:
        """Blob ``index`` as float32 of exactly ``shape``, a view on the file. Raises MalformedModel.

        A layer that is in no file reads zeros, so that the layers behind it can be looked at; the reader, told by
        ``lacks_weights``, then refuses all such layers together.
        """
        if not self.stored:
            self.lacks_weights = True
            if shape is None:
                raise MissingBlobs(self.name)
            return np.broadcast_to(np.float32(0), tuple(shape))
        if index >= len(self.stored):
            raise self.malformed(f"it needs {index + 1} or more blobs; {self.file!r} has {len(self.stored)} for it")
        self.used.add(index)
        blob = self.stored[index]
        array = blob.array()
        if shape is None:
            return array
        wanted = tuple(shape)
        if not same_shape(array.shape, wanted, blob.legacy):
            raise self.malformed(
                f"blob {index} is {shown(array.shape)} in {self.file!r}, the graph needs {shown(wanted)}"
            )
        return array.reshape(wanted)

    def weight(
        self,
        g: GraphBuilder,
        index: int,
        shape: Sequence[int],
        label: str,
        view: Callable[[Array], Array] | None = None,
    ) -> Value:
        """Blob ``index`` as an initialiser called ``<layer>.<label>``; layers that share a parameter share it.

        ``view`` reshapes or transposes the array without copying it.
        """
        array = self.array(index, shape)
        array = view(array) if view is not None else array
        owner = self.owners[index] if index < len(self.owners) else f"{self.name}:{index}"
        key = f"{owner}:{array.shape}:{array.strides}"
        found = self.weights.get(key)
        if found is None:
            found = self.weights[key] = g.weight(f"{owner.rsplit(':', 1)[0]}.{label}", array)
        return found


def pairs(layer: Layer, p: Any, field: str, default: int, count: int = 2) -> list[int]:
    """``kernel_size``, ``stride``, ``pad`` or ``dilation`` of a convolution for ``count`` spatial axes.

    Given once or once an axis, or as ``<field>_h`` and ``<field>_w`` (two axes only, never both ways).
    """
    stem = "kernel" if field == "kernel_size" else field
    given = list(p[field])
    by_axis = field != "dilation" and (p.has(f"{stem}_h") or p.has(f"{stem}_w"))
    if by_axis:
        if given or count != 2:
            raise layer.malformed(f"it has {stem}_h or {stem}_w and also {field}, or other than two spatial axes")
        return [p[f"{stem}_h"], p[f"{stem}_w"]]
    if len(given) not in (0, 1, count):
        raise layer.malformed(f"{field} is given {len(given)} times for {count} spatial axes")
    return given * count if len(given) == 1 else given or [default] * count


def prod(sizes: Sequence[int]) -> int:
    return math.prod(sizes)
