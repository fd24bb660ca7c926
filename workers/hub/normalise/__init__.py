"""The hub's normal form: one opset, no leftovers, known shapes, stable names. One pass a file, in the order of PASSES.

Same input, same result: nothing here depends on hash seeds, time or the machine. Passes work on the graph and touch
no byte of the weights, but for comparing those that could be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir
from onnx.checker import ValidationError
from onnx.shape_inference import InferenceError

from workers import __version__
from workers.errors import CheckerFailed
from workers.hub import IR_VERSION, OPSET
from workers.hub.load import innermost
from workers.hub.normalise import (
    branches,
    constants,
    contrib,
    cuts,
    dead,
    defaults,
    dequantise,
    duplicates,
    eight_bits,
    fold,
    functions,
    half,
    identity,
    infer,
    inference,
    inputs,
    layout,
    names,
    opset,
    order,
    padding,
    pooling,
    quantised,
    resizing,
    scalars,
    sources,
    transposes,
    wellformed,
)
from workers.options import DEFAULTS, Options
from workers.report.schema import Change

Pass = Callable[[ir.Model, Options], Sequence[Change]]

PASSES: tuple[Pass, ...] = (
    sources.name_sources,
    order.sort_graph,
    defaults.write_onesided,
    infer.infer_sources,
    cuts.cut_graph,
    functions.inline_functions,
    wellformed.check_nodes,
    contrib.spell_out,
    opset.convert_opset,
    inputs.separate_inputs,
    constants.lift_constants,
    inputs.fix_inputs,
    infer.infer_shapes,
    pooling.drop_windows,
    resizing.name_all_axes,
    inference.leave_training,
    identity.remove_identities,
    fold.fold_constants,
    branches.inline_branches,
    transposes.merge_transposes,
    scalars.make_scalars,
    quantised.unpack_quantised,
    dequantise.dequantise,
    identity.remove_identities,
    dead.remove_dead,
    duplicates.merge_equal,
    infer.infer_shapes,
    padding.resolve_padding,
    defaults.write_defaults,
    eight_bits.quantise_weights,
    half.to_half,
    layout.lay_out,
    dead.drop_unused,
    order.sort_graph,
    names.name_all,
)


def normalise(model: ir.Model, options: Options = DEFAULTS) -> tuple[ir.Model, list[Change]]:
    """Bring ``model`` into normal form, in place, and say what changed.

    Raises UnsupportedVersion for operators that opset 21 cannot say, InvalidOptions for cuts or shapes that do not fit
    the model, CheckerFailed for a graph that is inconsistent.
    """
    changes: list[Change] = []
    inferred = -1  # how many changes there were then
    for run in PASSES:
        if run is infer.infer_shapes and inferred == len(changes):
            continue
        changes += _run(run, model, options)
        inferred = len(changes) if run is infer.infer_shapes else inferred
    model.ir_version = IR_VERSION
    model.graph.opset_imports[""] = OPSET
    model.producer_name, model.producer_version = "onnxhub", __version__
    return model, changes


def _run(run: Pass, model: ir.Model, options: Options) -> Sequence[Change]:
    """The pass, with what ONNX's inference and checker say about a node turned into an error that names it."""
    try:
        return run(model, options)
    except (InferenceError, ValidationError) as error:
        layer = next(iter(getattr(error, "__notes__", ())), None)
        raise CheckerFailed(" ".join(str(error).split())[:1000], layer=layer) from error
    except ir.serde.SerdeError as error:
        raise CheckerFailed(f"the model cannot be serialised: {innermost(error)}") from error
