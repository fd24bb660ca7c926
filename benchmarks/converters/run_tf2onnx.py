"""Convert with tf2onnx, as its documentation says: python run_tf2onnx.py SYSTEM CASE.json TARGET FILE..."""

import json
import sys
from pathlib import Path

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

    sys.argv = ["tf2onnx.convert", *source([Path(name) for name in files]), *arguments]
    convert.main()


def source(files: "list[Path]") -> "list[str]":
    """The option that names the model, by what lies there."""
    for path in files:
        if path.name == "saved_model.pb":
            return ["--saved-model", str(path.parent)]
        if path.suffix == ".tflite":
            return ["--tflite", str(path)]
        if path.suffix == ".meta":
            return ["--checkpoint", str(path)]
    return ["--graphdef", str(files[0])]


def convert_keras(target: str, files: "list[Path]") -> None:
    """``from_keras`` takes models of Keras 2, which tf_keras loads."""
    import tf2onnx
    import tf_keras

    whole = [path for path in files if path.suffix in (".h5", ".keras")]
    architecture = [path for path in files if path.suffix == ".json"]
    if architecture:
        model = tf_keras.models.model_from_json(architecture[0].read_text())
        model.load_weights(whole[0])
    else:
        model = tf_keras.models.load_model(whole[0], compile=False)
    tf2onnx.convert.from_keras(model, opset=int(OPSET), output_path=target)


if __name__ == "__main__":
    main(*sys.argv[1:])
