"""Containers: modules that run other modules, and wrappers that stand for the one in them."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.torch7.objects import Object
from workers.formats.torch7.read.dims import divided, times
from workers.formats.torch7.read.layer import Layer, Value, flows
from workers.formats.torch7.read.memory import Data, Missing, Ref, is_missing
from workers.formats.torch7.read.network import Run
from workers.formats.torch7.read.table import joined
from workers.hub.node import Dim


def child(layer: Layer, module: Object, number: int | str) -> str:
    """The name of a module inside another: its own if it has one, else its place."""
    return f"{layer.name}.{module.text('name') or number}"


def steps(run: Run, layer: Layer) -> list[tuple[Object, str]]:
    """The modules inside with their names; progress is told as they are taken in turn."""
    modules = layer.modules()
    return [(module, child(layer, module, number)) for number, module in enumerate(modules, 1)]


def chain(run: Run, modules: Sequence[tuple[Object, str]], data: Data) -> Data:
    for (module, name), _ in zip(modules, run.watch([name for _, name in modules]), strict=True):
        data = run.module(module, data, name)
    return data


@flows("nn.Sequential", "nn.LayerNormalization", "nn.SpatialLPPooling", "nn.Maxout", "nn.Container")
def sequential(run: Run, layer: Layer, data: Data) -> Data:
    return chain(run, steps(run, layer), data)


@flows("nn.CReLU")
def concatenated_relu(run: Run, layer: Layer, data: Data) -> Data:
    """relu of {x, -x}, joined behind the batch: the chain inside reshapes to sizes of the last run."""
    g, x = run.g, layer.floats(run.g, layer.one(data).read())
    rank = layer.rank(x)
    axis = rank - layer.positive("nInputDims", rank - 1)
    if axis < 0:
        raise layer.malformed(f"its input has {rank} axes")
    return Ref(g.Concat(g.Relu(x), g.Relu(g.Neg(x)), axis=axis))


@flows("nn.ConcatTable")
def concat_table(run: Run, layer: Layer, data: Data) -> Data:
    """The same input to every branch, one after the other: what one writes into it the next one sees."""
    modules = steps(run, layer)
    watched = run.watch([name for _, name in modules])
    return [run.module(module, data, name) for (module, name), _ in zip(modules, watched, strict=True)]


@flows("nn.ParallelTable")
def parallel_table(run: Run, layer: Layer, data: Data) -> Data:
    modules = steps(run, layer)
    if not isinstance(data, list) or len(data) < len(modules):
        raise layer.malformed(f"it takes a table of {len(modules)}")
    watched = run.watch([name for _, name in modules])
    return [run.module(m, item, name) for (m, name), item, _ in zip(modules, data, watched, strict=False)]


@flows("nn.MapTable")
def map_table(run: Run, layer: Layer, data: Data) -> Data:
    """The same module on every element."""
    if not isinstance(data, list):
        raise layer.malformed("it takes a table")
    module = (layer.modules() or [layer.inner("module")])[0]
    return [run.module(module, item, child(layer, module, number)) for number, item in enumerate(data, 1)]


@flows("nn.Concat", "nn.DepthConcat")
def concat(run: Run, layer: Layer, data: Data) -> Data:
    """The same input to every branch; DepthConcat centres smaller branches in zeros."""
    results = concat_table(run, layer, data)
    if is_missing(results):
        return Missing()
    values = [layer.floats(run.g, ref.read()) for ref in layer.table(results)]
    rank = layer.rank(values[0])
    axis = layer.axis(layer.integer("dimension"), rank)
    if layer.type == "nn.DepthConcat":
        values = _centred(run, layer, values, axis)
    return Ref(joined(run.g, layer, values, axis))


def _centred(run: Run, layer: Layer, values: list[Value], axis: int) -> list[Value]:
    """Every value padded to the largest size in each axis but ``axis``: floor((max - size) / 2) in front."""
    shapes = [layer.shape(value) for value in values]
    if any(len(shape) != len(shapes[0]) for shape in shapes):
        raise layer.malformed("its branches give tensors of different ranks")
    largest: list[Dim] = []
    for place, sizes in enumerate(zip(*shapes, strict=True)):
        fixed = [size for size in sizes if isinstance(size, int)]
        if len(fixed) not in (0, len(sizes)) and place != axis:
            raise layer.free("its branches must be compared in size")
        largest.append(max(fixed) if fixed else sizes[0])
    result = []
    for value, shape in zip(values, shapes, strict=True):
        before, after = [0] * len(shape), [0] * len(shape)
        for place, (size, most) in enumerate(zip(shape, largest, strict=True)):
            if place != axis and isinstance(size, int) and isinstance(most, int):
                before[place] = (most - size) // 2
                after[place] = most - size - before[place]
        result.append(run.g.Pad(value, before + after) if any(before + after) else value)
    return result


@flows("nn.Parallel")
def parallel(run: Run, layer: Layer, data: Data) -> Data:
    """Slice i of inputDimension, without that axis, to module i; the results joined along outputDimension."""
    x = layer.one(data).read()
    rank = layer.rank(x)
    axis = layer.axis(layer.integer("inputDimension"), rank)
    count, modules = layer.size(x, axis), steps(run, layer)
    if count > len(modules):
        raise layer.malformed(f"it has {len(modules)} modules for {count} slices")
    results: list[Data] = []
    for number, (module, name) in enumerate(modules[:count]):
        part = run.g.Gather(x, number, axis=axis)
        results.append(run.module(module, Ref(part), name))
    if is_missing(results):
        return Missing()
    values = [layer.floats(run.g, ref.read()) for ref in layer.table(results)]
    return Ref(joined(run.g, layer, values, layer.axis(layer.integer("outputDimension"), layer.rank(values[0]))))


@flows("nn.Bottle")
def bottle(run: Run, layer: Layer, data: Data) -> Data:
    """Leading axes merged so that the module sees nInputDim of them, restored behind it."""
    ref = layer.one(data)
    shape = layer.shape(ref.read())
    inputs = layer.positive("nInputDim", 2)
    lead = len(shape) - inputs
    module = (layer.modules() or [layer.inner("module")])[0]
    name = child(layer, module, 1)
    if lead < 1:
        return run.module(module, data, name)
    merged = [times(shape[: lead + 1]), *shape[lead + 1 :]]
    result = run.module(module, run.same_elements(layer, ref, lambda x: layer.reshape(run.g, x, merged)), name)
    if is_missing(result):
        return result
    inner = layer.one(result)
    made = layer.shape(inner.read())
    rest = divided(made[0], times(shape[:lead]))
    if rest is None:
        raise layer.free("it restores the merged axes")
    whole = [*shape[:lead], rest, *made[1:]]
    return run.same_elements(layer, inner, lambda x: layer.reshape(run.g, x, whole))


WRAPPERS = (
    "nn.GPU", "nn.DataParallelTable", "nn.DataParallel", "nn.Serial", "nn.DontCast", "nn.NaN", "nn.Profile",
    "nn.Decorator", "nn.Inception", "nn.DontBackProp", "nn.NoBackprop", "nn.ModelParallel", "fbnn.DataParallel",
)  # fmt: skip


@flows(*WRAPPERS)
def wrapper(run: Run, layer: Layer, data: Data) -> Data:
    """Behaves like the module inside; of the replicas of a DataParallelTable the first is the network."""
    modules = layer.modules()
    module = modules[0] if modules else layer.inner("module")
    return run.module(module, data, child(layer, module, 1))


IDENTITIES = (
    "nn.Identity", "nn.Copy", "nn.PrintSize", "nn.ZeroGrad", "nn.L1Penalty", "nn.GradientReversal", "nn.WhiteNoise",
    "nn.TotalVariation", "nn.ContentLoss", "nn.StyleLoss", "nn.Contiguous",
)  # fmt: skip


@flows(*IDENTITIES)
def identity(run: Run, layer: Layer, data: Data) -> Data:
    """At inference the very input."""
    return data
