"""Records what TensorFlow itself computes for single operators and small graphs.

Run in the tensorflow toolchain's Python from the checkout's root; the results are the archives of
``tests/models/tensorflow/operators``: for every case its GraphDef and its inputs and outputs.

    python tests/workers/formats/tensorflow/record_operators.py [operators] [more]
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import operators_math
import operators_more
import operators_nets
import tensorflow as tf
from operator_cases import CASES, RNG

V1 = tf.compat.v1
OUT = Path("tests/models/tensorflow/operators")
MATH = ("activations", "elementwise", "linear", "shapes", "slicing", "indexing", "reduction")
NETS = ("convolution", "pooling", "normalization", "images", "quantized", "signals", "recurrent", "control")
MORE = ("complex_numbers", "solving", "special", "resampling", "speech", "rows", "types", "layers")
ARCHIVES = {"operators": ((operators_math, MATH), (operators_nets, NETS)), "more": ((operators_more, MORE),)}


def record(build, inputs, free):
    """GraphDef, and the outputs that TensorFlow computes."""
    graph = tf.Graph()
    with graph.as_default():
        shapes = {
            name: [None] * a.ndim if free == "all" else ([None, *a.shape[1:]] if free and a.ndim else list(a.shape))
            for name, a in inputs.items()
        }
        places = {name: V1.placeholder(a.dtype, shapes[name], name=f"in_{name}") for name, a in inputs.items()}
        found = build(**places)
        found = tf.nest.flatten(found)
        for index, item in enumerate(found):
            tf.identity(item, name=f"out_{index}")
        with V1.Session(graph=graph) as session:
            names = [f"out_{index}:0" for index in range(len(found))]
            results = session.run(names, {f"in_{name}:0": a for name, a in inputs.items()})
    return graph.as_graph_def().SerializeToString(deterministic=True), results


def main(title):
    CASES.clear()
    RNG.bit_generator.state = np.random.default_rng(7).bit_generator.state
    for module, names in ARCHIVES[title]:
        for name in names:
            getattr(module, name)()
    OUT.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(OUT / f"{title}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for control_v2 in (True, False) if title == "operators" else (True,):
            V1.enable_control_flow_v2() if control_v2 else V1.disable_control_flow_v2()
            for name, build, inputs, free in CASES if control_v2 else CASES[-7:]:
                write(archive, name if control_v2 else f"{name}_v1", build, inputs, free)


def write(archive, title, build, inputs, free):
    try:
        graph, results = record(build, inputs, free)
    except Exception as error:  # a case that TensorFlow itself refuses is no case
        print("left out", title, type(error).__name__, str(error)[:150])
        return
    arrays = io.BytesIO()
    np.savez(arrays, **{f"in_{key}": value for key, value in inputs.items()},
             **{f"out_{index}": value for index, value in enumerate(results)})  # fmt: skip
    archive.writestr(zipfile.ZipInfo(f"{title}/graph.pb"), graph, zipfile.ZIP_DEFLATED)
    archive.writestr(zipfile.ZipInfo(f"{title}/io.npz"), arrays.getvalue(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ARCHIVES:
        main(chosen)
