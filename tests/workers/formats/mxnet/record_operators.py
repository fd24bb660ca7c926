"""Records what MXNet 1.9.1 computes for one small graph an operator: python record_operators.py FOLDER.

Runs in MXNet's own environment (Python 3.8, numpy < 1.24). Writes FOLDER/graphs.json.xz (name -> symbol, values,
and where the arrays stand) and FOLDER/arrays.npz. A case whose batch may change is recorded with another one as well.
Every family runs in a process of its own: MKL-DNN is off but for the recurrent layer, which does not bind without it.
"""

# ruff: noqa: UP031

import json
import lzma
import os
import subprocess
import sys
import tempfile
import zlib

import mxnet as mx
import numpy as np
from operator_cases import CASES, VARIABLES, arrays, detection, elementwise, layers, numpy_functions

FAMILIES = {
    function.__name__: function
    for function in (
        elementwise.unary, elementwise.binary, elementwise.activations, layers.convolutions, layers.poolings,
        layers.norms, layers.linear, layers.sequences, layers.recurrent, arrays.shapes, arrays.reductions,
        arrays.indexing, arrays.resizes, arrays.pictures, detection.detections, detection.control,
        numpy_functions.numpy_functions,
    )
}  # fmt: skip


def record(family, folder):
    """All cases of a family; one that MXNet itself cannot run is named and left out."""
    FAMILIES[family]()
    graphs, found = {}, {}
    for name, build, params, numpy, eager, inputs in CASES:
        try:
            graphs[name] = one(name, build, params, numpy, eager, inputs, found)
        except Exception as error:
            lines = [line for line in str(error).splitlines() if "rror" in line] or [str(error)]
            print("CANNOT", name, lines[-1][:300], flush=True)
    with open(os.path.join(folder, "graphs.json"), "w") as file:
        json.dump(graphs, file)
    np.savez(os.path.join(folder, "arrays.npz"), **found)


def one(name, build, params, numpy, eager, inputs, found):
    VARIABLES.clear()
    with mx.name.NameManager():
        symbol = build()
    rng = np.random.RandomState(zlib.crc32(name.encode()) % 2**31)
    grows = any("N" in sizes_in(make) for make in inputs.values())
    fixed, runs = {}, 2 if grows else 1
    for index in range(runs):
        given = {key: make(rng, 2 + index) for key, make in inputs.items()}
        if eager:
            array = (mx.np if numpy else mx.nd).array
            outputs = [one.asnumpy() for one in eager(*[array(value, dtype=value.dtype) for value in given.values()])]
        else:
            outputs = compute(symbol, given, params, fixed, rng, numpy)
        for key, array in given.items():
            found["%s|in%d|%s" % (name, index, key)] = array
        for place, array in enumerate(outputs):
            found["%s|out%d|%d" % (name, index, place)] = array
    for key, array in fixed.items():
        found["%s|param|%s" % (name, key)] = array
    graph = json.loads(symbol.tojson())
    graph.pop("node_row_ptr", None)
    text = json.dumps(graph, separators=(",", ":"))
    return {"symbol": text, "inputs": list(inputs), "outputs": symbol.list_outputs(), "runs": runs, "numpy": numpy}


def sizes_in(make):
    cells = make.__closure__ or ()
    return [size for cell in cells if isinstance(cell.cell_contents, tuple) for size in cell.cell_contents]


def compute(symbol, given, params, fixed, rng, numpy):
    """The outputs; parameters are drawn at the first run."""
    with mx.util.np_shape(numpy), mx.util.np_array(numpy):
        shapes = {key: array.shape for key, array in given.items()}
        types = {key: array.dtype for key, array in given.items()}
        bound = symbol.simple_bind(mx.cpu(), grad_req="null", type_dict=types, **shapes)
        for table in (bound.arg_dict, bound.aux_dict):
            for key, array in table.items():
                if key not in given and not key.endswith("label") and key not in fixed:
                    fixed[key] = draw(key, array.shape, params, rng)
                if not key.endswith("label"):
                    array[:] = given.get(key, fixed.get(key))
        return [output.asnumpy() for output in bound.forward(is_train=False)]


def draw(key, shape, params, rng):
    if key in params:
        return np.asarray(params[key], "f4")
    if key.endswith("var"):
        return rng.uniform(0.5, 2, shape).astype("f4")
    return rng.normal(0, 0.5, shape).astype("f4")


def main(folder):
    graphs, index, pieces, at = {}, {}, [], 0
    for family in FAMILIES:
        env = dict(os.environ, MXNET_MKLDNN_ENABLED=str(int(family == "recurrent")),
                   MXNET_STORAGE_FALLBACK_LOG_VERBOSE="0")  # fmt: skip
        with tempfile.TemporaryDirectory() as part:
            subprocess.check_call([sys.executable, __file__, part, family], env=env)
            with open(os.path.join(part, "graphs.json")) as file:
                graphs.update(json.load(file))
            with np.load(os.path.join(part, "arrays.npz")) as file:
                for key in file:
                    array = file[key]
                    index[key] = [array.dtype.str, list(array.shape), at]
                    pieces.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
                    at += array.nbytes
    with lzma.open(os.path.join(folder, "graphs.json.xz"), "wt") as file:
        json.dump({"graphs": graphs, "arrays": index}, file, indent=None, separators=(",\n", ":"), sort_keys=True)
    np.savez_compressed(os.path.join(folder, "arrays.npz"), data=np.concatenate(pieces))
    print(len(graphs), "recorded")


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else record(sys.argv[2], sys.argv[1])
