"""The batch axis is left free where a model allows it: tried first, taken back with a word where a layer forbids it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from workers.errors import ConversionError, InvalidOptions, Unsupported, UnsupportedOperators
from workers.formats.contract import Note, Progress
from workers.hub.node import Dim

Read = TypeVar("Read")
Sizes = TypeVar("Sizes")


class FreeAxis(Exception):
    """A layer needs the size of an axis that was left free; the reader falls back to fixed sizes, or says so."""

    def __init__(self, layer: str, type: str, reason: str) -> None:
        super().__init__(reason)
        self.layer = layer
        self.type = type
        self.reason = reason


def free_first(
    read: Callable[[Sizes], Read],
    free: Sizes,
    fixed: Sizes,
    refuse: Callable[[FreeAxis], ConversionError],
    noun: str = "layer",
) -> tuple[Read, list[Note]]:
    """What ``read`` makes of the ``free`` sizes; where a layer forbids those, of the ``fixed`` ones, with a note.

    ``refuse`` turns a layer that works with neither into the error that the user reads.
    """
    try:
        return read(free), []
    except FreeAxis as error:
        if free == fixed:
            raise refuse(error) from error
        blocked = error
    try:
        return read(fixed), [fixed_batch(blocked, noun)]
    except FreeAxis as error:
        raise refuse(error) from error


def fixed_batch(blocked: FreeAxis, noun: str = "layer") -> Note:
    """Which layer took the freedom of the batch, and why."""
    detail = (
        f"The batch size is fixed: {noun} {blocked.layer!r} ({blocked.type}) cannot leave it free: {blocked.reason}."
    )
    return Note("fixed-batch", detail, blocked.layer)


def needs_size(
    system: str, shapes: Iterable[Sequence[Dim | None]], error: FreeAxis, noun: str = "layer"
) -> ConversionError:
    """Inputs of ``shapes`` have a free axis that the net needs, or else a size depends on the data itself."""
    if any(not isinstance(size, int) for shape in shapes for size in shape):
        return InvalidOptions(
            f"{noun} {error.layer!r} ({error.type}) does not work with the free axes of its input: {error.reason}",
            layer=error.layer, op=error.type, hint="Give numbers for all axes in the option 'input_shapes'.",
        )  # fmt: skip
    return UnsupportedOperators(system, [Unsupported(error.layer, error.type, error.reason)])


def onward(progress: Progress) -> Progress:
    """Progress that never goes back, when reading begins anew."""
    told = -1

    def tell(done: int, total: int, what: str) -> None:
        nonlocal told
        if done > told:
            told = done
            progress(done, total, what)

    return tell
