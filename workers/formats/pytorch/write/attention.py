"""Attention in one call."""

from __future__ import annotations

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.hub.fuse.attention import DOMAIN, OPERATOR
from workers.hub.node import Node

FUSED = f"{DOMAIN}::{OPERATOR}"


@writes(FUSED)
def scaled_dot_product_attention(net: NetWriter, node: Node) -> None:
    given = [net.x(node, index) for index in range(3)]
    mask, scale = net.opt(node, 3), text.floating(node.f("scale"))
    net.set(node, text.call("F.scaled_dot_product_attention", *given, attn_mask=mask or None, scale=scale))
