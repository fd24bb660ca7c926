"""Batch and local response normalisation; MVN and Normalize once they are recognised."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.caffe.write.net import SSD, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.formats.caffe.write.shape import reshape_parameter
from workers.hub.node import Node


def _known_statistics(node: Node) -> bool | str:
    if any(node.const(index) is None for index in range(1, 5)) or node.i("training_mode"):
        return "Caffe's BatchNorm has learned statistics"
    return (node.rank or 0) >= 2 or "Caffe's BatchNorm needs an axis of channels"


@writes("BatchNormalization", only_if=_known_statistics)
def batch_normalization(net: NetWriter, node: Node) -> None:
    """BatchNorm standardises (its third blob, which divides the other two, is 1); Scale multiplies and adds."""
    gamma, beta, mean, variance = (np.asarray(node.const(index)) for index in range(1, 5))
    parameter = {"use_global_stats": True, "eps": node.f("epsilon", 1e-5)}
    blobs = [mean, variance, np.ones(1, np.float32)]
    if np.all(gamma == 1) and not np.any(beta):
        net.layer("BatchNorm", node, blobs=blobs, batch_norm_param=parameter)
        return
    middle = net.inner("BatchNorm", node, [node.x()], "bn", blobs=blobs, batch_norm_param=parameter)
    net.layer("Scale", node, [middle], blobs=[gamma, beta], scale_param={"bias_term": True})


def _plane_and_learned(node: Node) -> bool | str:
    if node.rank != 4:
        return "Caffe normalises the planes of pictures"
    return (node.const(1) is not None and node.const(2) is not None) or "scale and bias must be learned"


@writes("InstanceNormalization", only_if=_plane_and_learned)
def instance_normalization(net: NetWriter, node: Node) -> None:
    """MVN's eps stands outside the root, so MVN only subtracts; (variance + eps)^-1/2 is a Scale's second bottom."""
    shape = node.shape() or ()
    centre = net.inner("MVN", node, [node.x()], "centred", mvn_param={"normalize_variance": False})
    squares = net.inner("Power", node, [centre], "squares", power_param={"power": 2.0})
    variance = net.inner("Pooling", node, [squares], "variance", pooling_param={"pool": "AVE", "global_pooling": True})
    power = {"power": -0.5, "shift": node.f("epsilon", 1e-5)}
    factor = net.inner("Power", node, [variance], "factor", power_param=power)
    told = reshape_parameter((*shape[:2], 1, 1), shape[:2])
    flat = net.inner("Reshape", node, [factor], "gate", reshape_param=told)
    scaled = net.inner("Scale", node, [centre, flat], "standard", scale_param={"axis": 0})
    blobs = [np.asarray(node.const(1)), np.asarray(node.const(2))]
    net.layer("Scale", node, [scaled], blobs=blobs, scale_param={"bias_term": True})


@writes("LRN", only_if=lambda n: n.i("size") % 2 == 1 or "Caffe's LRN spans an odd number of channels")
def lrn(net: NetWriter, node: Node) -> None:
    """Across channels, as ONNX does: x / (k + alpha/size * sum x^2)^beta."""
    parameter: dict[str, Any] = {
        "local_size": node.i("size"), "alpha": node.f("alpha", 1e-4), "beta": node.f("beta", 0.75),
    }  # fmt: skip
    if node.f("bias", 1.0) != 1.0:
        parameter["k"] = node.f("bias", 1.0)
    net.layer("LRN", node, lrn_param=parameter)


@writes("caffe::LRN")
def lrn_within(net: NetWriter, node: Node) -> None:
    """Within a channel: x * (1 + alpha * mean of x^2 over size x size)^-beta."""
    net.layer(
        "LRN", node,
        lrn_param={
            "local_size": node.i("size"), "alpha": node.f("alpha"), "beta": node.f("beta"),
            "norm_region": "WITHIN_CHANNEL",
        },
    )  # fmt: skip


@writes("caffe::MVN")
def mvn(net: NetWriter, node: Node) -> None:
    """(x - mean) / (sqrt(variance) + eps) a plane, or a whole item with ``across_channels``."""
    parameter: dict[str, Any] = {}
    if not node.i("normalize_variance", 1):
        parameter["normalize_variance"] = False
    if node.i("across_channels"):
        parameter["across_channels"] = True
    if node.i("normalize_variance", 1) and node.f("eps", 1e-9) != 1e-9:
        parameter["eps"] = node.f("eps", 1e-9)
    net.layer("MVN", node, mvn_param=parameter or None)


@writes("caffe::Normalize")
def normalize(net: NetWriter, node: Node) -> None:
    """x / sqrt(sum x^2 + eps) * scale, the sum over channels or over the whole item."""
    weight, across = node.const(1), bool(node.i("across_spatial"))
    assert weight is not None
    net.needs(SSD, "Normalize")
    # OpenCV takes one scale a channel only where it sums over channels: elsewhere a Scale follows.
    apart = across and weight.size > 1
    own = np.ones((), np.float32) if apart else weight
    parameter = {"across_spatial": across, "channel_shared": own.size == 1, "eps": node.f("eps", 1e-10)}
    if apart:
        unit = net.inner("Normalize", node, [node.x()], "unit", blobs=[own], norm_param=parameter)
        net.layer("Scale", node, [unit], blobs=[weight])
    else:
        net.layer("Normalize", node, blobs=[own], norm_param=parameter)
