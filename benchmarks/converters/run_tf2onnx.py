"""Convert with tf2onnx, as its documentation says: python run_tf2onnx.py SYSTEM CASE.json TARGET FILE..."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

OPSET = "18"


def main(system: str, case: str, target: str, *files: str) -> None:
    options = json.loads(Path(case).read_text()).get("options", {})
    if system == "keras":
        convert_keras(target, [Path(name) for name in files])
        return
    arguments = ["--opset", OPSET, "--output", target]
    for key in ("inputs", "outputs"):
        if key in options:
            arguments += [f"--{key}", ",".join(options[key])]
    if system == "tensorflow" and "signature" in options:
        arguments += ["--signature_def", options["signature"]]
    from tf2onnx import convert

    sys.argv = ["tf2onnx.convert", *source([Path(name) for name in files], options), *arguments]
    convert.main()


def source(files: "list[Path]", options: "dict[str, Any]") -> "list[str]":
    """The option that names the model, by what lies there. Checkpoints are frozen first: it stumbles over training."""
    for path in files:
        if path.name == "saved_model.pb":
            return ["--saved-model", str(path.parent)]
        if path.suffix == ".tflite":
            return ["--tflite", str(path)]
    beside = [path for path in files if path.suffix in (".index", ".meta")]  # the first format has no index
    return ["--graphdef", frozen(files, beside[0].with_suffix(""), options) if beside else str(files[0])]


def frozen(files: "list[Path]", prefix: Path, options: "dict[str, Any]") -> str:
    """A frozen graph of what the outputs need, by TensorFlow's own means; ``constants`` take the place of inputs."""
    import tensorflow as tf
    from google.protobuf import text_format

    restore, checkpoint = "save/restore_all", "save/Const:0"
    graph_def = tf.compat.v1.GraphDef()
    for path in files:
        if path.suffix == ".meta":
            meta = tf.compat.v1.MetaGraphDef.FromString(path.read_bytes())
            graph_def = meta.graph_def
            restore, checkpoint = meta.saver_def.restore_op_name, meta.saver_def.filename_tensor_name
        elif path.suffix == ".pbtxt":
            text_format.Parse(path.read_text(), graph_def)
    for node in graph_def.node:
        node.attr.pop("_output_shapes", None)  # of gradients, which this TensorFlow infers otherwise
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        with tf.name_scope("fixed"):
            constants = {name: tf.constant(value) for name, value in options.get("constants", {}).items()}
        tf.import_graph_def(graph_def, constants, name="")
        session.run(restore, {checkpoint: str(prefix)})
        outputs = [name.partition(":")[0] for name in options["outputs"]]
        result = tf.compat.v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)
    target = Path(tempfile.mkdtemp(), "frozen.pb")
    target.write_bytes(result.SerializeToString())
    return str(target)


def convert_keras(target: str, files: "list[Path]") -> None:
    """``from_keras`` takes models of Keras 2, which tf_keras loads; those of Keras 3 go by a SavedModel."""
    import tf2onnx

    whole = [path for path in files if path.suffix in (".h5", ".keras")]
    architecture = [path for path in files if path.suffix == ".json"]
    if whole[0].suffix == ".keras":
        import keras

        folder = tempfile.mkdtemp()
        keras.models.load_model(whole[0], compile=False).export(folder)
        sys.argv = ["tf2onnx.convert", "--saved-model", folder, "--opset", OPSET, "--output", target]
        tf2onnx.convert.main()
        return
    import tf_keras

    if architecture:
        model = tf_keras.models.model_from_json(architecture[0].read_text())
        model.load_weights(whole[0])
    else:
        model = tf_keras.models.load_model(whole[0], compile=False)
    tf2onnx.convert.from_keras(model, opset=int(OPSET), output_path=target)


if __name__ == "__main__":
    main(*sys.argv[1:])
