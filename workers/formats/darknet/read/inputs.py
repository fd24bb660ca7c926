"""The shape of the net's one input, ``data``: what the cfg says, what the user says, which axes stay free."""

from __future__ import annotations

from dataclasses import dataclass

from workers.errors import InvalidOptions
from workers.formats.contract import Note
from workers.formats.darknet.net import INPUT, Net
from workers.hub.node import Dim
from workers.options import Options


@dataclass(frozen=True, slots=True)
class Plan:
    """``steps`` of time are the rows of a recurrent net divided by its ``streams``; None: the rows are free."""

    shape: tuple[Dim, ...]
    steps: int | None = 1
    streams: int = 1
    notes: tuple[Note, ...] = ()


def plan(net: Net, options: Options) -> Plan:
    """Raises InvalidOptions for a shape that the net cannot have."""
    given = _given(net, options)
    if net.recurrent:
        return _recurrent(net, given, options)
    rows: Dim = given[0] if given else 1
    if rows is None or (isinstance(rows, int) and options.dynamic_batch):
        rows = "batch"
    return Plan((rows, *(given[1:] if given else net.shape)))


def _given(net: Net, options: Options) -> tuple[Dim, ...] | None:
    """The user's shape for ``data``, checked against what the first layer fixes."""
    unknown = sorted(set(options.input_shapes) - {INPUT, *options.inputs})
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}; the input of a Darknet net is {INPUT!r}",
            hint=f"Give the shape of {INPUT!r}.",
        )
    shape = options.input_shapes.get(INPUT)
    if shape is None:
        return None
    words = ",".join(str(size) for size in ("N", *net.shape))
    if len(shape) != 1 + len(net.shape):
        raise InvalidOptions(
            f"the input {INPUT!r} has {1 + len(net.shape)} axes, 'input_shapes' gives {len(shape)}",
            hint=f"The net's own shape is {words}.",
        )
    fixed = shape[1:2] if len(net.shape) == 3 else shape[1:]
    if list(fixed) != list(net.shape[: len(fixed)]):
        what = "channels" if len(net.shape) == 3 else "inputs"
        raise InvalidOptions(
            f"the net has {net.shape[0]} {what}, 'input_shapes' gives {fixed[0]}",
            hint=f"The net's own shape is {words}.",
        )
    names = ("batch", "channels", "height", "width")
    return tuple(names[axis] if size is None else size for axis, size in enumerate(shape))


def _recurrent(net: Net, given: tuple[Dim, ...] | None, options: Options) -> Plan:
    """Rows are steps, time-major: [T * streams, ...]. One stream unless 'input_shapes' gives more rows than steps."""
    sizes: tuple[Dim, ...] = given[1:] if given else net.shape
    steps = options.time_steps or net.time_steps
    rows = given[0] if given else steps
    if not isinstance(rows, int):
        return Plan(("time" if rows == "batch" else rows, *sizes), None, 1, (_time_note("the rows of the input"),))
    if options.time_steps is None and rows % steps:
        steps = rows
    if rows % steps:
        raise InvalidOptions(
            f"{rows} rows of {INPUT!r} are no whole number of sequences of {steps} steps",
            hint="Give rows = time_steps * sequences, all sequences of a step together.",
        )
    words = f"{steps} rows of the input" + (f" for each of {rows // steps} sequences" if rows != steps else "")
    return Plan((rows, *sizes), steps, rows // steps, (_time_note(words),))


def _time_note(what: str) -> Note:
    detail = (
        f"The net is recurrent: {what} are the steps of a sequence. The option 'time_steps' sets their number; "
        "null as the first axis in 'input_shapes' leaves it free."
    )
    return Note("time-steps", detail)
