"""Normalisation: ``nn.BatchNorm2d`` and its kind, trained further as they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import D
from workers.formats.pytorch.write.weights import Weight, computed, weight_of
from workers.hub.node import Node

NORMS = {2: "BatchNorm1d", 3: "BatchNorm1d", 4: "BatchNorm2d", 5: "BatchNorm3d"}
INSTANCE = {3: "InstanceNorm1d", 4: "InstanceNorm2d", 5: "InstanceNorm3d"}
ONE = computed(np.ones((), np.int64), "batches")


def epsilon(node: Node, usual: float | None = 1e-5) -> str | None:
    value = node.f("epsilon", 1e-5)
    return None if usual is not None and np.float32(value) == np.float32(usual) else text.floating(value)


@writes("BatchNormalization", only_if=rank_known)
def batch_normalization(net: NetWriter, node: Node) -> None:
    """ONNX's momentum is what stays of the old mean; torch's is what is taken from the new one."""
    names = ("weight", "bias", "running_mean", "running_var")
    known = all(node.const(index) is not None for index in range(1, 5))
    if node.i("training_mode"):
        given = [net.x(node, index) for index in range(5)]
        settings = [text.floating(node.f("epsilon", 1e-5)), text.floating(node.f("momentum", 0.9))]
        net.set_all(node, text.call(net.helper("batch_norm_training"), *given, *settings))
        return
    one_type = len({node.dtype(index) for index in range(5)}) == 1
    if node.rank not in NORMS or not known or not one_type:
        given = [net.x(node, index) for index in (0, 3, 4, 1, 2)]
        if not one_type:
            given[1:] = [f"{each}.to({given[0]}.dtype)" for each in given[1:]]
        net.set(node, text.call("F.batch_norm", *given, eps=epsilon(node)))
        return
    state: dict[str, Weight] = {name: weight_of(node.x(index)) for index, name in enumerate(names, 1)}
    affine = not (np.all(node.const(1) == 1) and np.all(node.const(2) == 0))
    if not affine:
        state = {name: state[name] for name in names[2:]}
    state["num_batches_tracked"] = ONE
    momentum = 1 - float(np.float32(node.f("momentum", 0.9)))
    net.layer(
        node, f"nn.{NORMS[node.rank]}", state["running_mean"].shape[0], eps=epsilon(node),
        momentum=None if abs(momentum - 0.1) < 1e-6 else text.floating(round(momentum, 6)),
        affine=None if affine else False, word="norm", state=state,
    )  # fmt: skip


def _more_than_one(node: Node) -> bool:
    """torch refuses to normalise one single element."""
    sizes = (node.shape() or ())[2:]
    return any(isinstance(size, int) and size > 1 for size in sizes)


@writes("InstanceNormalization", only_if=rank_known)
def instance_normalization(net: NetWriter, node: Node) -> None:
    known = node.const(1) is not None and node.const(2) is not None
    if node.rank in INSTANCE and known and _more_than_one(node):
        state = {"weight": weight_of(node.x(1)), "bias": weight_of(node.x(2))}
        net.layer(
            node, f"nn.{INSTANCE[node.rank]}", state["weight"].shape[0], eps=epsilon(node), affine=True, word="norm",
            state=state,
        )  # fmt: skip
        return
    given = [net.x(node), f"{net.x(node)}.shape[1]", net.parameter(node, 1), net.parameter(node, 2)]
    net.set(node, text.call("F.group_norm", *given, eps=epsilon(node)))


@writes("LayerNormalization", only_if=rank_known)
def layer_normalization(net: NetWriter, node: Node) -> None:
    first = axis(node, -1) % (node.rank or 1)
    shape = (node.shape() or ())[first:]
    scale, bias = node.input(1), node.input(2)
    sizes = tuple(size for size in shape if isinstance(size, int))
    whole = len(sizes) == len(shape) and all(_shape(value) == sizes for value in (scale, bias) if value is not None)
    if net.used(node, 1) or net.used(node, 2) or not whole:
        given = [net.x(node), net.x(node, 1), net.opt(node, 2) or "None", first, epsilon(node, None)]
        net.set_all(node, f"{text.call(net.helper('layer_norm'), *given)}{_first(node)}")
    elif node.const(1) is not None and (bias is None or node.const(2) is not None):
        state = {"weight": weight_of(node.x(1))} | ({} if bias is None else {"bias": weight_of(bias)})
        net.layer(
            node, "nn.LayerNorm", sizes if len(sizes) > 1 else sizes[0], eps=epsilon(node),
            bias=False if bias is None else None, word="norm", state=state,
        )  # fmt: skip
    else:
        given = [net.x(node), sizes, net.x(node, 1), net.opt(node, 2) or "None"]
        net.set(node, text.call("F.layer_norm", *given, eps=epsilon(node)))


def _first(node: Node) -> str:
    """The helper gives three results; a node may have fewer."""
    count = len(node.outputs)
    return "" if count == 3 else "[0]" if count == 1 else f"[:{count}]"


def _shape(value: ir.Value) -> tuple[int | str, ...] | None:
    return None if value.shape is None else tuple(dim if isinstance(dim, int) else "?" for dim in value.shape)


@writes("GroupNormalization", only_if=rank_known)
def group_normalization(net: NetWriter, node: Node) -> None:
    groups = node.i("num_groups")
    if node.const(1) is not None and node.const(2) is not None:
        state = {"weight": weight_of(node.x(1)), "bias": weight_of(node.x(2))}
        channels = state["weight"].shape[0]
        net.layer(node, "nn.GroupNorm", groups, channels, eps=epsilon(node), word="norm", state=state)
        return
    given = [net.x(node), groups, net.x(node, 1), net.x(node, 2)]
    net.set(node, text.call("F.group_norm", *given, eps=epsilon(node)))


@writes("LRN", only_if=rank_known)
def lrn(net: NetWriter, node: Node) -> None:
    """torch puts the larger half of an even window before the channel, ONNX behind it."""
    size = node.i("size")
    defaults = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    settings = [text.floating(node.f(name, default)) for name, default in defaults.items()]
    if size % 2 and (node.rank or 0) >= 3:
        net.layer(
            node, "nn.LocalResponseNorm", size, alpha=settings[0], beta=settings[1], k=settings[2], word="norm",
        )  # fmt: skip
        return
    net.set(node, text.call(net.helper("local_response_norm"), net.x(node), size, *settings))


@writes("LpNormalization")
def lp_normalization(net: NetWriter, node: Node) -> None:
    """A vector of zeros stays zero; torch reaches that by a least norm, here the least positive number."""
    least = {D.FLOAT16: "6e-08", D.DOUBLE: "2.3e-308"}.get(node.dtype() or D.FLOAT, "1.2e-38")
    net.set(node, f"F.normalize({net.x(node)}, p={float(node.i('p', 2))}, dim={axis(node, -1)}, eps={least})")


@writes("MeanVarianceNormalization", only_if=rank_known)
def mean_variance_normalization(net: NetWriter, node: Node) -> None:
    dims = tuple(each % (node.rank or 1) for each in node.ints("axes", (0, 2, 3)))
    net.set(node, text.call(net.helper("mean_variance_norm"), net.x(node), dims))
