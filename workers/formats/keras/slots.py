"""Which weights each layer owns, by name and in Keras' order, and which layers it holds inside.

Keras stores weights in the order in which ``build`` makes them; a table tells what each number or place means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from workers.formats.keras.net import Spec

Config = dict[str, Any]
Names = tuple[str, ...]
KERNEL_BIAS = ("kernel", "bias")


@dataclass(frozen=True, slots=True)
class Slots:
    """``own`` names with whether they are trained; ``inner`` layers by the attribute that holds them."""

    own: tuple[tuple[str, bool], ...] = ()
    inner: tuple[tuple[str, Spec], ...] = ()


def flag(config: Config, key: str, default: bool = True) -> bool:
    value = config.get(key)
    return default if value is None else bool(value)


def _if(config: Config, key: str, *names: str, default: bool = True) -> Names:
    return names if flag(config, key, default) else ()


def _biased(*names: str) -> Callable[[Config], Names]:
    return lambda config: (*names, *_if(config, "use_bias", "bias"))


def _scaled(config: Config) -> Names:
    return (*_if(config, "scale", "gamma"), *_if(config, "center", "beta"))


def _none(config: Config) -> Names:
    return ()


# Trained weights by kind, in order.
TRAINED: dict[str, Callable[[Config], Names]] = {
    **{kind: _biased("kernel") for kind in (
        "Dense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
        "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense",
    )},
    **{kind: _biased("depthwise_kernel") for kind in ("DepthwiseConv1D", "DepthwiseConv2D")},
    **{kind: _biased("depthwise_kernel", "pointwise_kernel") for kind in ("SeparableConv1D", "SeparableConv2D")},
    **{kind: _biased("kernel", "recurrent_kernel") for kind in (
        "SimpleRNNCell", "LSTMCell", "GRUCell", "ConvLSTM1DCell", "ConvLSTM2DCell", "ConvLSTM3DCell", "ConvLSTMCell",
    )},
    **{kind: lambda config: ("kernel", "recurrent_kernel", "bias") for kind in ("CuDNNLSTM", "CuDNNGRU")},
    "Embedding": lambda config: ("embeddings",),
    "ReversibleEmbedding": lambda config: (
        "embeddings", *(() if flag(config, "tie_weights") else ("reverse_embeddings",))
    ),
    "EinsumDense": lambda config: ("kernel", *(("bias",) if config.get("bias_axes") else ())),
    "LayerScale": lambda config: ("gamma",),
    "PReLU": lambda config: ("alpha",),
    "SReLU": lambda config: ("t_left", "a_left", "t_right", "a_right"),
    "ParametricSoftplus": lambda config: ("alpha", "beta"),
    "BatchNormalization": _scaled,
    "LayerNormalization": lambda config: ("gamma",) if flag(config, "rms_scaling", False) else _scaled(config),
    "GroupNormalization": _scaled,
    "RMSNormalization": lambda config: ("scale",),
    "Highway": lambda config: ("kernel", "carry_kernel", *_if(config, "use_bias", "bias", "carry_bias")),
    "Attention": lambda config: (
        *_if(config, "use_scale", "scale", default=False),
        *(("concat_score_weight",) if config.get("score_mode") == "concat" else ()),
    ),
    "STFTSpectrogram": lambda config: tuple(
        f"{part}_kernel" for part in ("real", "imag") if config.get("mode") not in {"real", "imag"} - {part}
    ),
    "AdditiveAttention": lambda config: _if(config, "use_scale", "scale"),
}  # fmt: skip
UNTRAINED: dict[str, Callable[[Config], Names]] = {
    "BatchNormalization": lambda config: ("moving_mean", "moving_variance"),
    "Normalization": lambda config: () if config.get("mean") is not None else ("mean", "variance", "count"),
    "SpectralNormalization": lambda config: ("vector_u",),
}  # fmt: skip
CELLS = {
    "SimpleRNN": "SimpleRNNCell", "LSTM": "LSTMCell", "GRU": "GRUCell", "ConvLSTM1D": "ConvLSTM1DCell",
    "ConvLSTM2D": "ConvLSTM2DCell", "ConvLSTM3D": "ConvLSTM3DCell",
}  # fmt: skip
ATTENTIONS = ("MultiHeadAttention", "GroupQueryAttention")
# Keras 1 keeps every gate's arrays apart, unless it was made for the GPU.
GATES1 = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}


def slots(spec: Spec) -> Slots:
    """The weights of one layer, none of an unknown one."""
    config = spec.config
    if spec.net is not None:
        return Slots((), tuple((layer.name, layer) for layer in spec.net.layers))
    if spec.generation == 1 and spec.kind in (*GATES1, "SimpleRNN"):
        return Slots(tuple((name, True) for name in _gates(spec)))
    if spec.kind in CELLS:
        return Slots((), (("cell", derived(spec, CELLS[spec.kind], "cell")),))
    inner = tuple(_inner(spec))
    own = [(name, True) for name in TRAINED.get(spec.kind, _none)(config)]
    if config.get("lora_rank") and spec.kind in ("Dense", "EinsumDense", "Embedding"):
        main = own.pop(0)[0]
        own = [(main, False), *own, (f"lora_{main}_a", True), (f"lora_{main}_b", True)]
    return Slots((*own, *((name, False) for name in UNTRAINED.get(spec.kind, _none)(config))), inner)


def _gates(spec: Spec) -> Iterator[str]:
    if spec.kind == "SimpleRNN" or (spec.config.get("consume_less") == "gpu" and spec.kind != "ConvLSTM2D"):
        yield from ("kernel", "recurrent_kernel", "bias")
        return
    for gate in GATES1[spec.kind]:
        yield from (f"kernel_{gate}", f"recurrent_kernel_{gate}", f"bias_{gate}")


def derived(spec: Spec, kind: str, name: str, config: Config | None = None) -> Spec:
    """A layer that Keras makes inside another one."""
    return Spec(name, kind, kind, spec.config if config is None else config, spec.generation)


def _inner(spec: Spec) -> Iterator[tuple[str, Spec]]:
    yield from spec.inner.items()
    if spec.kind in ATTENTIONS:
        gate = ("gate",) if flag(spec.config, "use_gate", False) else ()
        config = {"bias_axes": "d" if flag(spec.config, "use_bias") else None}
        for part in ("query", "key", "value", *gate, "output"):
            yield f"{part}_dense", derived(spec, "EinsumDense", f"{part}_dense", config)
