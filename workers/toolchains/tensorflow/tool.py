"""Runs TensorFlow, Keras and TFLite models in TensorFlow: python tool.py WORKDIR...

Stand-alone: the standard library, numpy, h5py, tensorflow, keras and tf_keras. WORKDIR/request.json says what to run,
WORKDIR/result.json and out.npz are the answer, progress goes as JSON lines to descriptor 3 if that is open.

    run:tensorflow  a SavedModel (any release), a frozen graph, or a checkpoint with its meta graph
    run:keras       .keras, .h5, or a model's JSON with its weights; nothing that needs a lambda or a custom class
    run:tflite      the interpreter with its own reference-exact kernels, no delegates

Files are told apart by content and suffix. Python code inside a model is never run: Keras is in its safe mode, and
graphs with operators that call back into Python or touch files are refused before they are loaded.
"""

import json
import os
import statistics
import sys
import tempfile
import time
import traceback
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tensorflow as tf

PROTOCOL = 1
# Operators that reach out of the graph; none of them is part of a network.
UNSAFE = {
    "PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "Save", "SaveSlices",
    "SaveV2", "MergeV2Checkpoints", "ShardedFilename", "PrintV2", "RemoteCall", "LoadDataset", "SaveDataset",
    "SaveDatasetV2", "TextLineReader", "TextLineReaderV2", "WholeFileReader", "WholeFileReaderV2", "TFRecordReader",
    "TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "DebugIdentity", "DebugIdentityV2",
    "XlaLaunch", "CollectiveBcastRecv", "WriteImageSummary",
}  # fmt: skip
# What restoring a SavedModel itself needs may stand in it, unused by the network.
SAVING = {"SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints", "ShardedFilename"}


def progress_is_open():
    try:
        os.fstat(3)
        return True
    except OSError:
        return False


PROGRESS = progress_is_open()


class Refused(Exception):
    """The request cannot be met; the arguments are its kind (unsupported, invalid) and why."""


# --- graphs -----------------------------------------------------------------------------------------------------------


def check_graph(graph_def):
    """Refuse a graph with operators that reach out of it; forget recorded shapes, which other releases dispute."""
    nodes = list(graph_def.node)
    for function in graph_def.library.function:
        nodes.extend(function.node_def)
    for node in nodes:
        if node.op in UNSAFE - SAVING:
            raise Refused("unsupported", "node %r (%s) reaches out of the graph" % (node.name, node.op))
        node.attr.pop("_output_shapes", None)


def find_model(paths):
    """What the files are: a word for it and the path that is loaded."""
    names = {os.path.basename(path): path for path in paths}
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if name in names:
            return "saved_model", os.path.dirname(names[name])
    for path in paths:
        if path.endswith(".meta"):
            return "meta", path
    for path in paths:
        if path.endswith((".pb", ".pbtxt", ".graphdef")):
            return "frozen", path
    raise Refused("invalid", "there is neither a SavedModel nor a graph among the files")


def meta_graphs(folder):
    """The MetaGraphDefs of a SavedModel."""
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    path = os.path.join(folder, "saved_model.pb")
    if os.path.exists(path):
        with open(path, "rb") as file:
            message.ParseFromString(file.read())
    else:
        with open(os.path.join(folder, "saved_model.pbtxt"), encoding="utf-8") as file:
            text_format.Parse(file.read(), message)
    return list(message.meta_graphs)


def chosen(metas):
    """The meta graph for serving, else the first."""
    if not metas:
        raise Refused("invalid", "the SavedModel holds no graph")
    return next((meta for meta in metas if "serve" in meta.meta_info_def.tags), metas[0])


def tensor_name(name):
    return name if ":" in name else name + ":0"


def feeds_of(graph, arrays, constants):
    """Arrays by tensor, of the tensors' own element types."""
    feeds = {}
    for name, array in list(arrays.items()) + list(constants.items()):
        tensor = graph.get_tensor_by_name(tensor_name(name))
        feeds[tensor] = np.asarray(array).astype(tensor.dtype.as_numpy_dtype, copy=False)
    return feeds


def run_session(session, arrays, names, options):
    graph = session.graph
    try:
        feeds = feeds_of(graph, arrays, options.get("constants") or {})
        fetches = [graph.get_tensor_by_name(tensor_name(name)) for name in names]
    except (KeyError, ValueError) as error:
        raise Refused("unsupported", "the graph has no such tensor: %s" % error) from error
    return timed(options, lambda: [np.asarray(item) for item in session.run(fetches, feeds)])


def run_frozen(path, arrays, names, options):
    from google.protobuf import text_format

    graph_def = tf.compat.v1.GraphDef()
    with open(path, "rb") as file:
        raw = file.read()
    if path.endswith(".pbtxt"):
        text_format.Parse(raw.decode("utf-8"), graph_def)
    else:
        graph_def.ParseFromString(raw)
    check_graph(graph_def)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        restore(session, checkpoint_of(options["files"]))
        return run_session(session, arrays, names, options)


def checkpoint_of(paths):
    """The prefix of the checkpoint among the files, or None."""
    for path in paths:
        if path.endswith(".index"):
            return path[: -len(".index")]
    return None


def restore(session, prefix):
    """Give a bare graph's variables the values of a checkpoint, by the operators that would initialise them."""
    if prefix is None:
        return
    reader = tf.train.load_checkpoint(prefix)
    stored = reader.get_variable_to_shape_map()
    done = set()
    for op in session.graph.get_operations():
        if op.type in ("Assign", "AssignVariableOp") and len(op.inputs) == 2:
            name = op.inputs[0].op.name
            if name in stored and name not in done:
                done.add(name)
                session.run(op, {op.inputs[1]: reader.get_tensor(name)})


def run_meta(path, arrays, names, options):
    message = tf.compat.v1.MetaGraphDef()
    with open(path, "rb") as file:
        message.ParseFromString(file.read())
    check_graph(message.graph_def)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        saver = tf.compat.v1.train.import_meta_graph(message, clear_devices=True)
        if saver is not None:
            saver.restore(session, path[: -len(".meta")])
        return run_session(session, arrays, names, options)


def run_saved_model(folder, arrays, names, options):
    meta = chosen(meta_graphs(folder))
    check_graph(meta.graph_def)
    signature = pick_signature(meta, options)
    if signature is None:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.saved_model.load(session, list(meta.meta_info_def.tags), folder)
            return run_session(session, arrays, names, options)
    inputs, outputs = meta.signature_def[signature].inputs, meta.signature_def[signature].outputs
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, list(meta.meta_info_def.tags), folder)
        unknown = [name for name in arrays if name not in inputs and ":" not in name]
        if unknown:
            raise Refused("unsupported", "the signature has no input %s" % ", ".join(unknown))
        by_tensor = {inputs[name].name if name in inputs else name: array for name, array in arrays.items()}
        wanted = [outputs[name].name if name in outputs else name for name in names]
        return run_session(session, by_tensor, wanted, options)


def pick_signature(meta, options):
    """The key of the signature that is meant, or None when tensors are named instead."""
    keys = [key for key in meta.signature_def if not key.startswith("__saved_model")]
    wanted = options.get("signature")
    if wanted:
        if wanted not in keys:
            raise Refused("invalid", "the SavedModel has no signature %r" % wanted)
        return wanted
    if "serving_default" in keys:
        return "serving_default"
    return keys[0] if keys else None


def run_tensorflow(request, arrays):
    kind, path = find_model(request["model"])
    runner = {"saved_model": run_saved_model, "meta": run_meta, "frozen": run_frozen}[kind]
    options = request.get("options") or {}
    names = request.get("output_names") or []
    if not names:
        raise Refused("invalid", "no outputs are named")
    outputs, seconds = runner(path, arrays, names, dict(options, files=request["model"]))
    return {"output_names": names, "seconds": seconds}, outputs


def timed(options, once):
    """The results, and the median seconds of a run; the first only prepares, if there are more."""
    marks = [time.perf_counter()]
    results = None
    for _ in range(1 + int(options.get("runs", 0))):
        results = once()
        marks.append(time.perf_counter())
    spans = [later - earlier for earlier, later in zip(marks[:-1], marks[1:], strict=True)]
    return results, float(statistics.median(spans[1:] or spans))


# --- Keras ------------------------------------------------------------------------------------------------------------


def refuse_code(config):
    """Refuse a model that holds a function as byte code or source anywhere in its configuration."""
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if item.get("class_name") in ("Lambda", "__lambda__", "TFOpLambda", "SlicingOpLambda") or (
                item.get("function_type") == "lambda"
            ):
                name = (item.get("config") or {}).get("name", "") if isinstance(item.get("config"), dict) else ""
                if item.get("class_name") not in ("TFOpLambda", "SlicingOpLambda"):
                    raise Refused("unsupported", "layer %r is a Lambda: it holds Python code" % name)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def keras_of(config, version):
    """The Keras whose files these are: Keras 3, or the last Keras 2 under its own name."""
    if version and not version.startswith(("1.", "2.")):
        import keras

        return keras
    import tf_keras

    return tf_keras


def attribute(file, key):
    value = file.attrs.get(key)
    return value.decode("utf-8") if isinstance(value, bytes) else value


def load_h5(path):
    """A whole-model HDF5 file."""
    import h5py

    with h5py.File(path, "r") as file:
        text, version = attribute(file, "model_config"), attribute(file, "keras_version") or "1.0"
    if text is None:
        raise Refused("invalid", "the HDF5 file holds weights only")
    config = json.loads(text)
    refuse_code(config)
    if version.startswith("1."):
        raise Refused("unsupported", "the file is of Keras %s, which TensorFlow's Keras cannot load" % version)
    return keras_of(config, version).models.load_model(path, compile=False)


def load_archive(path):
    """A ``.keras`` archive: of Keras 3, or of the last releases of Keras 2."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        version = json.loads(archive.read("metadata.json")).get("keras_version", "3.")
    refuse_code(config)
    return keras_of(config, version).models.load_model(path, compile=False, safe_mode=True)


def load_parts(text_path, weights_path):
    """A model's JSON, and its weights."""
    import h5py

    with open(text_path, encoding="utf-8") as file:
        text = file.read()
    config = json.loads(text)
    refuse_code(config)
    version = str(config.get("keras_version") or "")
    if not version and weights_path:
        with h5py.File(weights_path, "r") as file:
            version = str(attribute(file, "keras_version") or "")
    keras = keras_of(config, version or ("3." if "module" in config else "2."))
    model = keras.models.model_from_json(text)
    if weights_path:
        model.load_weights(weights_path)
    return model


def load_keras(paths):
    archives = [path for path in paths if zipfile.is_zipfile(path)]
    hdf5 = [path for path in paths if open_head(path).startswith(b"\x89HDF\r\n\x1a\n")]
    texts = [path for path in paths if path.endswith(".json") or open_head(path).lstrip()[:1] == b"{"]
    if archives:
        return load_archive(archives[0])
    if texts:
        return load_parts(texts[0], hdf5[0] if hdf5 else None)
    if hdf5:
        return load_h5(hdf5[0])
    raise Refused("invalid", "there is no Keras model among the files")


def open_head(path):
    with open(path, "rb") as file:
        return file.read(64)


def run_keras(request, arrays):
    """Inputs and outputs go by position in the model's own order where names do not say."""
    model = load_keras(request["model"])
    options = request.get("options") or {}
    tensors = list(model.inputs)
    if len(tensors) != len(arrays):
        raise Refused("unsupported", "the model has %d inputs, %d are given" % (len(tensors), len(arrays)))
    named = [getattr(tensor, "name", "").split(":")[0] for tensor in tensors]
    given = [arrays[name] for name in named] if set(named) == set(arrays) else list(arrays.values())

    def once():
        found = model(given if len(given) > 1 else given[0], training=False)
        return [np.asarray(item) for item in tf.nest.flatten(found)]

    outputs, seconds = timed(options, once)
    names = request.get("output_names") or []
    if names and len(names) != len(outputs):
        raise Refused("unsupported", "the model has %d outputs, %d are named" % (len(outputs), len(names)))
    return {"output_names": names or ["output_%d" % i for i in range(len(outputs))], "seconds": seconds}, outputs


# --- TFLite -----------------------------------------------------------------------------------------------------------


def run_tflite(request, arrays):
    """Without delegates: XNNPACK computes some quantised operators differently from the built-in kernels."""
    options = request.get("options") or {}
    path = request["model"][0]
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_path=path, experimental_op_resolver_type=kernels, num_threads=1)
    signature = options.get("signature")
    if signature:
        runner = interpreter.get_signature_runner(signature)
        outputs, seconds = timed(options, lambda: runner(**arrays))
        names = request.get("output_names") or sorted(outputs)
        return {"output_names": names, "seconds": seconds}, [outputs[name] for name in names]
    places = interpreter.get_input_details()
    given = in_order(places, arrays)
    details = interpreter.get_output_details()
    fixed = fixed_outputs(places, given, details)
    for place, array in zip(places, given, strict=True):
        interpreter.resize_tensor_input(place["index"], array.shape)
    interpreter.allocate_tensors()
    names = request.get("output_names") or [detail["name"] for detail in details]
    by_name = {detail["name"]: detail["index"] for detail in details}
    if len(by_name) != len(details) or not set(names) <= set(by_name):
        if len(names) != len(details):
            raise Refused("unsupported", "the model has the outputs %s" % ", ".join(by_name))
        indices = [detail["index"] for detail in details]
    else:
        indices = [by_name[name] for name in names]

    def once():
        for place, array in zip(places, given, strict=True):
            interpreter.set_tensor(place["index"], array)
        interpreter.invoke()
        return [as_text(interpreter.get_tensor(index)) for index in indices]

    outputs, seconds = timed(options, once)
    for output, index in zip(outputs, indices, strict=True):
        if output.shape == fixed.get(index):
            raise Refused("unsupported", "its sizes are fixed: with another batch an output stays %s" % (output.shape,))
    return {"output_names": names, "seconds": seconds}, outputs


def as_text(array):
    """Words, which the interpreter gives as bytes, as text; numbers as they are."""
    if array.dtype != object:
        return array
    words = [word.decode("utf-8", "replace") for word in array.reshape(-1)]
    return np.asarray(words, np.str_).reshape(array.shape)


def fixed_outputs(places, given, details):
    """Shapes of outputs by index that would prove, were they kept, that the model cuts a batch it was not made for.

    Sizes written into a slice do so without a word when an input is given another batch than the file's.
    """
    resized = [
        place
        for place, array in zip(places, given, strict=True)
        if len(array.shape) > 1 and array.shape[0] != place["shape"][0] and place["shape_signature"][0] >= 0
    ]
    if not resized:
        return {}
    batch = resized[0]["shape"][0]
    return {
        detail["index"]: tuple(detail["shape"])
        for detail in details
        if len(detail["shape"]) > 1 and detail["shape"][0] == batch
    }


def in_order(places, arrays):
    """The arrays in the order of the model's inputs, by name or else by position."""
    if len(places) != len(arrays):
        raise Refused("unsupported", "the model has %d inputs, %d are given" % (len(places), len(arrays)))
    names = [place["name"] for place in places]
    if len(set(names)) == len(names) and set(names) == set(arrays):
        return [arrays[name] for name in names]
    return list(arrays.values())


# --- the request ------------------------------------------------------------------------------------------------------


ACTIONS = {"run:tensorflow": run_tensorflow, "run:keras": run_keras, "run:tflite": run_tflite}


def report(done, total, what):
    """Progress as a line on descriptor 3, which must have been open from the start."""
    if PROGRESS:
        line = json.dumps({"event": "progress", "done": done, "total": total, "what": what})
        os.write(3, (line + "\n").encode("utf-8"))


def answer(folder):
    with open(os.path.join(folder, "request.json"), "rb") as file:
        request = json.loads(file.read().decode("utf-8"))
    if request.get("protocol") != PROTOCOL or request.get("action") not in ACTIONS:
        raise Refused("invalid", "this tool speaks protocol %d: %s" % (PROTOCOL, ", ".join(sorted(ACTIONS))))
    request["model"] = [os.path.join(folder, path) for path in request["model"]]
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = {name: file["a%d" % index] for index, name in enumerate(request["input_names"])}
    report(0, 1, "run")
    result, outputs = ACTIONS[request["action"]](request, arrays)
    np.savez(os.path.join(folder, "out.npz"), **{"a%d" % index: array for index, array in enumerate(outputs)})
    return dict(result, ok=True, outputs="out.npz")


def said(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:1000]


def main(folder):
    # Keras unpacks weights into the folder for temporary files: the job's own is the only one that can be written.
    tempfile.tempdir = folder
    try:
        result = answer(folder)
    except Refused as refused:
        result = {"ok": False, "error": {"kind": refused.args[0], "message": refused.args[1]}}
    except (tf.errors.OpError, ValueError, TypeError, NotImplementedError) as error:
        traceback.print_exc()
        result = {"ok": False, "error": {"kind": "unsupported", "message": said(error)}}
    except Exception as error:
        traceback.print_exc()
        result = {"ok": False, "error": {"kind": "failed", "message": said(error)}}
    result["versions"] = {
        "tensorflow": tf.__version__, "numpy": np.__version__, "python": sys.version.split()[0],
    }  # fmt: skip
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
