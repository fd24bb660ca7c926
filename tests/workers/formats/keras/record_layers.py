"""Records small models of single layers with what Keras itself gives: python record_layers.py OUT.tar.xz

Runs under Keras 3, tf_keras (TF_USE_LEGACY_KERAS=1), tf.keras, Keras 2.2 and Keras 1.2, each in an environment of its
own; the table of cases is chosen by the version and by what stands behind ``_`` in OUT's name (keras3_ops.tar.xz:
layer_cases_3_ops.py). The archive holds ``<case>/model.*`` and ``<case>/io_0.npz``, ``io_1.npz``.
Keeps to Python 3.6.
"""

import importlib
import io
import os
import sys
import tarfile
import tempfile

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if os.environ.get("TF_USE_LEGACY_KERAS"):
    import tf_keras as keras
else:
    try:
        import keras
    except ImportError:
        from tensorflow import keras

VERSION = keras.__version__.replace("-tf", "")
GENERATION = int(VERSION.split(".")[0])
L = keras.layers
CASES = {}


def case(name, *shapes, **options):
    """Registers a function of input tensors that gives the output tensors."""

    def add(build):
        CASES[name] = (build, shapes, options)
        return build

    return add


def simple(name, shape, make, **options):
    CASES[name] = (lambda x: make()(x), (shape,), options)


def perturb(model, rng):
    """Weights that are neither zeros nor ones, so that each of them matters."""
    values = []
    for value in model.get_weights():
        if value.dtype.kind == "f":
            noise = rng.uniform(0.3, 1.2, value.shape) if value.ndim < 2 and (value >= 0).all() else None
            value = noise if noise is not None else value + rng.uniform(-0.3, 0.3, value.shape)
            value = value.astype("float32")
        values.append(value)
    model.set_weights(values)


def drawn(shape, dtype, batch, rng, options):
    full = (batch,) + tuple(options.get("free", 5) if size is None else size for size in shape)
    if dtype == "int32":
        return rng.randint(options.get("low", 0), options.get("high", 7), full).astype("int32")
    x = rng.uniform(-2, 2, full).astype("float32")
    if options.get("masked"):
        drop = rng.rand(full[0], full[1]) < 0.4
        drop[0, -1] = True
        x[drop] = 0
    if options.get("unit"):
        x = np.abs(x) / 2
    return x


def record(name, archive):
    build, shapes, options = CASES[name]
    rng = np.random.RandomState(sum(map(ord, name)))
    dtypes = options.get("dtypes", ["float32"] * len(shapes))
    inputs = [keras.layers.Input(shape=shape, dtype=dtype) for shape, dtype in zip(shapes, dtypes)]
    outputs = build(*inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if GENERATION == 1:
        model = keras.models.Model(input=inputs, output=outputs)
    else:
        model = keras.models.Model(inputs, outputs)
    if not options.get("keep"):
        perturb(model, rng)
    if options.get("after"):
        options["after"](model)
    folder = tempfile.mkdtemp()
    suffix = options.get("suffix", ".keras" if GENERATION == 3 else ".h5")
    path = os.path.join(folder, "model" + suffix)
    model.save(path)
    with open(path, "rb") as saved:
        archive[name + "/model" + suffix] = saved.read()
    for index, batch in enumerate((2, 3)):
        xs = [drawn(shape, dtype, batch, rng, options) for shape, dtype in zip(shapes, dtypes)]
        ys = model.predict(xs if len(xs) > 1 else xs[0], **({} if GENERATION == 1 else {"verbose": 0}))
        ys = ys if isinstance(ys, (list, tuple)) else [ys]
        raw = io.BytesIO()
        arrays = {"input_%d" % i: x for i, x in enumerate(xs)}
        arrays.update({"output_%d" % i: np.asarray(y) for i, y in enumerate(ys)})
        np.savez_compressed(raw, **arrays)
        archive["%s/io_%d.npz" % (name, index)] = raw.getvalue()


def store(archive, target):
    """Files of one kind side by side: they are much alike, and small together."""
    with tarfile.open(target, "w:xz", preset=9) as tar:
        for name in sorted(archive, key=lambda entry: (entry.split("/")[-1], entry)):
            info = tarfile.TarInfo(name)
            info.size = len(archive[name])
            tar.addfile(info, io.BytesIO(archive[name]))


def main(target):
    part = os.path.basename(target).split(".")[0].partition("_")[2]
    importlib.import_module("layer_cases_%d%s" % (GENERATION, "_" + part if part else ""))
    only = sys.argv[2:]
    archive = {}
    for name in sorted(CASES):
        if only and name not in only:
            continue
        getattr(keras.backend, "clear_session", str)()
        try:
            record(name, archive)
        except Exception as error:
            print("not recorded:", name, type(error).__name__, str(error)[:200])
    archive["version.txt"] = ("%s, backend %s" % (VERSION, keras.backend.backend())).encode()
    store(archive, target)
    print(len(CASES), "cases,", os.path.getsize(target), "bytes")


if __name__ == "__main__":
    sys.modules["record_layers"] = sys.modules["__main__"]
    main(sys.argv[1])
