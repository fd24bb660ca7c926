"""Modules that keep a state from step to step: their step networks are run once a step, from states of zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from workers.formats.torch7.objects import Object, Storage, Table
from workers.formats.torch7.read.container import child
from workers.formats.torch7.read.dims import times
from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Missing, Ref, is_missing
from workers.formats.torch7.read.network import Run
from workers.formats.torch7.read.table import part
from workers.hub.graph import GraphBuilder

STEPS = 4096


@contextmanager
def forgetting(run: Run) -> Iterator[None]:
    """A sequence of its own: states begin anew inside, and those outside stay."""
    kept, run.states = run.states, {}
    try:
        yield
    finally:
        run.states = kept


def first_tensor(layer: Layer, data: Data) -> Value:
    """The first tensor in a table, or the tensor itself."""
    while isinstance(data, list):
        if not data:
            raise layer.malformed("its input is an empty table")
        data = data[0]
    return layer.one(data).read()


def zeros(run: Run, like: Value, rank: int, size: int) -> Value:
    """[N, size] for a batch ``like`` [N, ...], [size] for a single sample."""
    batch = GraphBuilder.shape(like)[0]
    if rank < 2:
        return run.g.constant(np.zeros(size, np.float32))
    if isinstance(batch, int):
        return run.g.constant(np.zeros((batch, size), np.float32))
    shape = run.g.Concat(run.g.Shape(like, start=0, end=1), [size], axis=0)
    result = run.g.Expand(np.zeros((1, 1), np.float32), shape)
    reshaped_to = run.g.shape(result)
    if reshaped_to != (batch, size):
        result = run.g.Reshape(result, [-1, size])
    return result


def step_module(layer: Layer) -> Object:
    """The network of one step."""
    module = layer.get("recurrentModule")
    if isinstance(module, Object):
        return module
    modules = layer.modules()
    return modules[0] if modules else layer.inner("module")


# --- over sequences -------------------------------------------------------------------------------------------------


@flows("nn.Sequencer")
def sequencer(run: Run, layer: Layer, data: Data) -> Data:
    """The module on every step of a table, or of a tensor [T, ...], whose results are stacked again."""
    module = layer.modules()[0] if layer.modules() else layer.inner("module")
    name = child(layer, module, 1)
    if isinstance(data, list):
        with forgetting(run):
            return [run.module(module, item, name) for item in data]
    ref = layer.one(data)
    count = layer.size(ref.read(), 0)
    if count > STEPS:
        raise layer.unsupported(f"{count} steps are too many to be unrolled")
    with forgetting(run):
        results: list[Data] = [run.module(module, part(run, layer, ref, 0, step), name) for step in range(count)]
    if is_missing(results):
        return Missing()
    values = [run.g.Unsqueeze(result.read(), [0]) for result in layer.table(results)]
    return Ref(run.g.Concat(*values, axis=0) if len(values) > 1 else values[0])


@flows("nn.Repeater")
def repeater(run: Run, layer: Layer, data: Data) -> Data:
    """The same input ``rho`` times."""
    module = layer.modules()[0] if layer.modules() else layer.inner("module")
    count = layer.positive("rho")
    if count > STEPS:
        raise layer.unsupported(f"{count} steps are too many to be unrolled")
    with forgetting(run):
        return [run.module(module, data, child(layer, module, 1)) for _ in range(count)]


@flows("nn.BiSequencer", "nn.BiSequencerLM", "nn.SeqBRNN")
def bi_sequencer(run: Run, layer: Layer, data: Data) -> Data:
    """Its module is the whole of it: both directions and what joins them."""
    module = layer.modules()[0] if layer.modules() else layer.inner("module")
    return run.module(module, data, child(layer, module, 1))


@flows("nn.Recursor")
def recursor(run: Run, layer: Layer, data: Data) -> Data:
    return run.module(step_module(layer), data, child(layer, step_module(layer), 1))


@reads("nn.SeqReverseSequence", keeps_type=True)
def seq_reverse_sequence(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    axis = layer.axis(layer.integer("dim"), layer.rank(x))
    return g.Slice(x, [-1], [-(2**31)], [axis], [-1])


# --- steps ----------------------------------------------------------------------------------------------------------


def lstm_step(run: Run, layer: Layer, data: Data) -> Data:
    """{x, h, c} -> {h, c}; the next step gets both, the network outside h."""
    x = first_tensor(layer, data)
    size, rank = layer.positive("outputSize"), layer.rank(x)
    state = run.states.get(id(layer.module))
    if state is None:
        state = [Ref(zeros(run, x, rank, size)), Ref(zeros(run, x, rank, size))]
    module = step_module(layer)
    result = run.module(module, [data, *state], child(layer, module, "step"))
    if is_missing(result):
        return Missing()
    if not isinstance(result, list) or len(result) != 2:
        raise layer.malformed("its step network does not give an output and a cell")
    run.states[id(layer.module)] = result
    return Ref(layer.one(result[0]).read())


@flows("nn.FastLSTM", "nn.RecLSTM")
def fast_lstm(run: Run, layer: Layer, data: Data) -> Data:
    """Gates in the order input, candidate, forget, output: all in its step network."""
    return lstm_step(run, layer, data)


@flows("nn.GRU", "nn.MuFuRu", "nn.RecGRU", "nn.Mufuru")
def gru(run: Run, layer: Layer, data: Data) -> Data:
    """{x, h} -> h."""
    x = first_tensor(layer, data)
    state = run.states.get(id(layer.module))
    if state is None:
        state = [Ref(zeros(run, x, layer.rank(x), layer.positive("outputSize")))]
    module = step_module(layer)
    result = run.module(module, [data, state[0]], child(layer, module, "step"))
    if is_missing(result):
        return Missing()
    run.states[id(layer.module)] = [Ref(layer.one(result).read())]
    return Ref(layer.one(result).read())


@flows("nn.Recurrent")
def recurrent(run: Run, layer: Layer, data: Data) -> Data:
    """The first step has a network of its own; the others get {x, last output}."""
    state = run.states.get(id(layer.module))
    if state is None:
        module, given = layer.inner("initialModule"), data
    else:
        module, given = layer.inner("recurrentModule"), [data, state[0]]
    result = run.module(module, given, child(layer, module, "start" if state is None else "step"))
    if not is_missing(result):
        run.states[id(layer.module)] = [result]
    return result


@flows("nn.Recurrence")
def recurrence(run: Run, layer: Layer, data: Data) -> Data:
    """{x, last output} -> output, a tensor or a table; the first output is zeros of outputSize."""
    state = run.states.get(id(layer.module))
    if state is None:
        x = first_tensor(layer, data)
        batched = layer.rank(x) > layer.integer("nInputDim", layer.rank(x) - 1)
        state = [_zeros_like(run, layer, layer.get("outputSize"), x, 2 if batched else 1)]
    module = step_module(layer)
    result = run.module(module, [data, state[0]], child(layer, module, "step"))
    if not is_missing(result):
        run.states[id(layer.module)] = [result]
    return result


def _zeros_like(run: Run, layer: Layer, size: object, x: Value, rank: int) -> Data:
    """{n} and n are one tensor [N, n]; a table of these is a table of tensors."""
    if isinstance(size, Table) and size.items() and not any(isinstance(item, int) for item in size.items()):
        return [_zeros_like(run, layer, item, x, rank) for item in size.items()]
    if isinstance(size, Table):
        size = size.items()[0] if len(size.items()) == 1 else None
    if isinstance(size, Storage) and size.size == 1:
        size = size.integers()[0]
    if not isinstance(size, int) or not 0 < size < 1 << 24:
        raise layer.unsupported("its outputSize is not that of a vector, or a table of such")
    return Ref(zeros(run, x, rank, size))


# --- around steps ---------------------------------------------------------------------------------------------------


@flows("nn.MaskZero", "nn.TrimZero")
def mask_zero(run: Run, layer: Layer, data: Data) -> Data:
    """Rows of the output whose input is all zeros become zeros."""
    module = step_module(layer)
    x = layer.floats(run.g, first_tensor(layer, data))
    features = layer.positive("nInputDim", 1)
    rank = layer.rank(x)
    if rank not in (features, features + 1):
        raise layer.malformed(f"its input has {rank} axes")
    axes = list(range(rank - features, rank))
    mask = run.g.Cast(run.g.Greater(run.g.ReduceSumSquare(x, axes, keepdims=0), np.float32(0)), to=1)
    return _masked(run, layer, run.module(module, data, child(layer, module, 1)), mask)


def _masked(run: Run, layer: Layer, data: Data, mask: Value) -> Data:
    if isinstance(data, list):
        return [_masked(run, layer, item, mask) for item in data]
    if isinstance(data, Missing):
        return data
    value = data.read()
    behind = list(range(layer.rank(mask), layer.rank(value)))
    return Ref(run.g.Mul(value, run.g.Unsqueeze(mask, behind) if behind else mask))


@reads("nn.SAdd")
def s_add(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x + addend, and with ``negate`` the negative of that."""
    total = g.Add(x, np.float32(layer.real("addend")))
    return g.Neg(total) if layer.flag("negate") else total


@flows("nn.LanguageModel")
def language_model(run: Run, layer: Layer, data: Data) -> Data:
    """torch-rnn's: the views in it merge and restore [N, T]; their stored sizes are those of the last run."""
    net = layer.inner("net")
    inner = Layer(net, child(layer, net, "net"), layer.scope)
    lead = layer.shape(layer.one(data).read())
    if len(lead) != 2:
        raise layer.malformed(f"its input has {len(lead)} axes; it takes [N, T]")
    modules = inner.modules()
    names = [child(inner, module, number) for number, module in enumerate(modules, 1)]
    for module, name in zip(modules, run.watch(names), strict=True):
        if module.class_name == "nn.View" and isinstance(data, Ref):
            with run.g.layer(name, module.class_name):
                data = Ref(_view_of_steps(run, layer, data.read(), lead))
        else:
            data = run.module(module, data, name)
    return data


def _view_of_steps(run: Run, layer: Layer, x: Value, lead: tuple[int | str | None, ...]) -> Value:
    shape = layer.shape(x)
    if len(shape) == 3:
        return layer.reshape(run.g, x, [times(shape[:2]), shape[2]])
    return layer.reshape(run.g, x, [*lead, shape[1]])
