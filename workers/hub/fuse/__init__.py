"""What an exporter spelt out, said in one operator again, for targets that have it: the reverse of legalisation.

A pattern is taken only where nothing else reads what lies inside it, and its numbers are those of the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir

from workers.formats.contract import Note
from workers.hub.fuse import activation, attention, normalization
from workers.hub.fuse.pattern import Match
from workers.hub.graph import GraphBuilder
from workers.hub.normalise.dead import prune
from workers.hub.provenance import layer_of, layer_type_of

Pattern = Callable[[ir.Node], Match | None]
# By the operator that the pattern is found at, the last of it but for what is looked for behind it.
PATTERNS: Mapping[str, tuple[Pattern, ...]] = {
    "Mul": (activation.gelu, activation.tanh_gelu, normalization.layer_norm),
    "Div": (normalization.layer_norm,),
    "MatMul": (attention.attention,),
}


def fuse(model: ir.Model) -> list[Note]:
    """Put one operator in the place of every pattern, in place; what was found comes back as notes."""
    notes: list[Note] = []
    for graph in list(model.graphs()):
        builder = GraphBuilder(graph=graph)
        for node in list(graph):
            if node.graph is not graph or node.domain:
                continue
            for pattern in PATTERNS.get(node.op_type, ()):
                match = pattern(node)
                if match is not None:
                    notes.append(_replace(builder, match))
                    break
    if notes:
        prune(model)
    return notes


def _replace(builder: GraphBuilder, match: Match) -> Note:
    last = match.last
    g = builder.ahead_of(last)
    with g.layer(layer_of(last), layer_type_of(last)):
        fused = match.make(g)
    old = last.outputs[0]
    name, fused.type, fused.shape = old.name, old.type, old.shape
    old.name = f"{name}_spelt_out"
    old.replace_all_uses_with(fused, replace_graph_outputs=True)
    fused.name = name
    builder.graph.remove(last, safe=True)
    return Note(match.code, match.detail, layer_of(last))
