"""Which shape every graph input gets, and which of its axes stay free."""

from __future__ import annotations

from workers.errors import InvalidOptions
from workers.formats.caffe.net import Net, NetInput
from workers.hub.node import Dim
from workers.options import Options

Shapes = dict[str, list[Dim]]
RECURRENT = ("LSTM", "RNN")


def shapes(net: Net, options: Options, inferred: dict[str, tuple[Dim, ...]]) -> Shapes:
    """The shapes by input name, sizes as files and user give them; ``inferred`` are those of cut tensors.

    Raises InvalidOptions naming every input whose shape stands nowhere, and options for inputs that do not exist.
    """
    names = {entry.blob.name for entry in net.inputs}
    unknown = sorted(set(options.input_shapes) - names)
    if unknown:
        raise InvalidOptions(
            f"the option 'input_shapes' names {', '.join(map(repr, unknown))}, which is no input of the net",
            hint=f"Inputs: {', '.join(sorted(names))}.",
        )
    found: Shapes = {}
    missing = []
    for entry in net.inputs:
        name = entry.blob.name
        shape = options.input_shapes.get(name) or inferred.get(name) or entry.shape
        if shape is None or (name not in options.input_shapes and name not in inferred and not _whole(entry)):
            missing.append(entry)
        else:
            found[name] = _named(name, list(shape))
    if missing:
        raise _unsized(missing)
    return found


def _whole(entry: NetInput) -> bool:
    """Whether the declared shape can be used as it stands."""
    return entry.shape is not None and all(size is not None and size > 0 for size in entry.shape)


def _named(name: str, shape: list[Dim]) -> list[Dim]:
    return [f"{name}_{axis}" if size is None else size for axis, size in enumerate(shape)]


def _unsized(missing: list[NetInput]) -> InvalidOptions:
    names = ", ".join(repr(entry.blob.name) for entry in missing)
    known = next((entry.shape for entry in missing if entry.shape), None)
    example = ",".join(str(size or "?") for size in known) if known else "1,3,224,224"
    subject = f"the shape of input {names} stands" if len(missing) == 1 else f"the shapes of inputs {names} stand"
    return InvalidOptions(
        f"{subject} in no file", input=missing[0].blob.name,
        hint=f"Give it in the option 'input_shapes', e.g. {missing[0].blob.name}={example}.",
    )  # fmt: skip


def freed(net: Net, fixed: Shapes, options: Options) -> Shapes:
    """The shapes with the batch axis free, wherever the user has not named axes.

    That is the first axis of all inputs that agree in it with the first input; in recurrent nets, whose blobs are
    [time, batch, ...], the second. Lists of regions have a free length of their own.
    """
    if not options.dynamic_batch:
        return fixed
    if any(step.record.type in RECURRENT for step in net.steps):
        return _freed_recurrent(net, fixed)
    regions = {step.bottoms[1].name for step in net.steps if step.record.type == "ROIPooling" and step.bottoms[1:]}
    sizes = [shape[0] for name, shape in fixed.items() if shape and name not in regions]
    result: Shapes = {}
    for name, shape in fixed.items():
        numbers = bool(shape) and all(isinstance(size, int) for size in shape)
        if numbers and name in regions:
            result[name] = [f"{name}_count", *shape[1:]]
        elif numbers and shape[0] == sizes[0]:
            result[name] = ["batch", *shape[1:]]
        else:
            result[name] = shape
    return result


def _freed_recurrent(net: Net, fixed: Shapes) -> Shapes:
    """Of inputs shaped like the net's ``cont`` ([T, N]) in front, axis 1; of inputs that begin with N, axis 0."""
    conts = [step.bottoms[1].name for step in net.steps if step.record.type in RECURRENT and len(step.bottoms) > 1]
    lead = next((fixed[name] for name in conts if len(fixed.get(name, ())) == 2), None)
    if lead is None or not all(isinstance(size, int) for size in lead):
        return fixed
    result: Shapes = {}
    for name, shape in fixed.items():
        if not all(isinstance(size, int) for size in shape):
            result[name] = shape
        elif shape[:2] == lead:
            result[name] = [shape[0], "batch", *shape[2:]]
        elif shape[:1] == lead[1:]:
            result[name] = ["batch", *shape[1:]]
        elif len(shape) == 3 and shape[:2] == [1, lead[1]]:
            result[name] = [1, "batch", shape[2]]
        else:
            result[name] = shape
    return result
