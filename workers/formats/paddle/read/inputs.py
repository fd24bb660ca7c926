"""Which shape and type every graph input gets: as the program says, free axes under a name, or as the user says."""

from __future__ import annotations

import onnx_ir as ir

from workers.errors import InvalidOptions, MalformedModel
from workers.formats.paddle.net import Net
from workers.formats.paddle.program import WORDS
from workers.hub.node import Dim
from workers.options import Options

Shapes = dict[str, list[Dim]]


def shapes(net: Net, options: Options) -> Shapes:
    """By input name. -1 in front is the batch, elsewhere an axis of its own.

    Raises InvalidOptions for shapes of inputs that do not exist or have another number of axes.
    """
    unknown = sorted(set(options.input_shapes) - set(net.inputs))
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the model",
            hint=f"Inputs: {', '.join(net.inputs)}.",
        )
    found: Shapes = {}
    for name in net.inputs:
        dims = net.program.vars[name].dims
        given = options.input_shapes.get(name)
        if given is None:
            if dims is None:
                raise InvalidOptions(
                    f"the shape of input {name!r} is unknown", input=name, hint="Give it in 'input_shapes'."
                )
            found[name] = _named(name, dims, options)
            continue
        if dims is not None and len(given) != len(dims):
            raise InvalidOptions(
                f"the option 'input_shapes' gives {name!r} {len(given)} axes, the model has {len(dims)}", input=name
            )
        found[name] = [_free(name, axis) if size is None else size for axis, size in enumerate(given)]
    return found


def _free(name: str, axis: int) -> str:
    return "batch" if axis == 0 else f"{name}_{axis}"


def _named(name: str, dims: tuple[int, ...], options: Options) -> list[Dim]:
    result: list[Dim] = []
    for axis, size in enumerate(dims):
        if size < -1:
            raise MalformedModel(f"the input {name!r} has the shape {list(dims)}")
        if size >= 0:
            result.append(size)
        elif axis == 0 and not options.dynamic_batch:
            result.append(1)
        else:
            result.append(_free(name, axis))
    return result


def fixed(free: Shapes) -> Shapes:
    """The same shapes with a batch of one."""
    return {name: [1 if size == "batch" else size for size in shape] for name, shape in free.items()}


def dtypes(net: Net, options: Options) -> dict[str, ir.DataType]:
    """Element types by input name: the user's, else the program's."""
    unknown = sorted(set(options.input_dtypes) - set(net.inputs))
    if unknown:
        raise InvalidOptions(f"the option 'input_dtypes' names {', '.join(map(repr, unknown))}, which is no input")
    found = {}
    for name in net.inputs:
        word = options.input_dtypes.get(name)
        if word is not None and word not in WORDS:
            raise InvalidOptions(
                f"the option 'input_dtypes' gives {name!r} the type {word!r}", input=name,
                hint=f"Types: {', '.join(WORDS)}.",
            )  # fmt: skip
        dtype = WORDS[word] if word is not None else net.program.vars[name].dtype
        if dtype is None:
            raise MalformedModel(f"the input {name!r} has no element type")
        found[name] = dtype
    return found
