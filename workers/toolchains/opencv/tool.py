"""Runs Caffe, Darknet and Torch7 nets in OpenCV's dnn module: python tool.py WORKDIR...

Stand-alone: standard library, numpy and cv2, syntax of Python 3.6. WORKDIR/request.json says what to run, result.json
and out.npz are the answer. OpenCV's importer reads a dialect of Caffe's text format: the net is re-spelt for it in a
copy (RESPELT), its input shapes are those of the given arrays; what OpenCV lacks or gets wrong is refused by name.
"""

import copy
import json
import os
import re
import sys
import time
import traceback

import cv2
import numpy as np

PROTOCOL = 1
try:
    PROGRESS = bool(os.fstat(3))
except OSError:
    PROGRESS = False


class Refused(Exception):
    """Refused(kind, message): the request cannot be met; the kind is unsupported or invalid."""


# --- protobuf text: a message is a list of [name, value], a value a raw token or a message ----------------------------

TOKEN = re.compile(r"\s+|#[^\n]*|(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[^\s{}<>\[\]:;,#\"']+|[{}<>\[\]:;,])")
OPEN = {"{": "}", "<": ">"}
quoted = '"%s"'.__mod__


def tokens_of(text):
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Refused("invalid", "the prototxt is malformed near %r" % text[at : at + 40])
        at = found.end()
        yield found.group(1)


def parse(text):
    """The whole text as one message. Raises Refused for text that is not protobuf text."""
    tokens = [token for token in tokens_of(text) if token]
    message, closing, stack, at = [], None, [], 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in (";", ","):
            continue
        if token == closing:
            message, closing = stack.pop()
            continue
        at += tokens[at : at + 1] == [":"]
        if at < len(tokens) and tokens[at] in OPEN:
            inner = []
            message.append([token, inner])
            stack.append((message, closing))
            message, closing = inner, OPEN[tokens[at]]
            at += 1
        else:
            at = _values(tokens, at, message, token)
    if stack:
        raise Refused("invalid", "the prototxt ends inside a message")
    return message


def _values(tokens, at, message, name):
    """One value, adjacent strings as one, or a list in brackets."""
    if at >= len(tokens):
        raise Refused("invalid", "the prototxt ends in the middle of a field")
    if tokens[at] == "[":
        end = tokens.index("]", at)
        message.extend([name, item] for item in tokens[at + 1 : end] if item != ",")
        return end + 1
    value = tokens[at]
    at += 1
    while value[0] in "\"'" and at < len(tokens) and tokens[at][0] in "\"'":
        value += " " + tokens[at]
        at += 1
    message.append([name, value])
    return at


def print_text(message, indent=""):
    return "".join(
        "%s%s {\n%s%s}\n" % (indent, name, print_text(value, indent + "  "), indent)
        if isinstance(value, list)
        else "%s%s: %s\n" % (indent, name, value)
        for name, value in message
    )


def every(message, name):
    return [value for key, value in message if key == name]


def first(message, name, default=None):
    found = every(message, name)
    return found[-1] if found else default


def string(token):
    return "".join(part[1:-1] for part in re.findall(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", token or ""))


def layer(name, kind, bottoms, tops, **messages):
    made = [["name", quoted(name)], ["type", quoted(kind)]]
    made += [["bottom", quoted(bottom)] for bottom in bottoms] + [["top", quoted(top)] for top in tops]
    return made + [[key, value] for key, value in messages.items()]


def without(message, *names):
    return [pair for pair in message if pair[0] not in names]


# --- Caffe's layers in OpenCV's words: a function changes a layer's parameters, or returns layers in its place --------


def ends(record):
    """A layer's name, its bottoms and its tops."""
    names = [[string(value) for value in every(record, field)] for field in ("bottom", "top")]
    return string(first(record, "name")), names[0], names[1]


def decimal(value):
    """Fields that OpenCV's caffe.proto lacks are read as plain numbers without a sign."""
    return ("%.30f" % value).rstrip("0") + "0"


def pooling(parameter, record):
    """Rounding down is called ceil_mode here."""
    if first(parameter, "round_mode") in ("FLOOR", "1"):
        parameter.append(["ceil_mode", "false"])
    parameter[:] = without(parameter, "round_mode")


def clip(parameter, record):
    """A Clip is a ReLU6 whose bounds may not be negative: the line is shifted there and back, or turned at the top."""
    name, bottoms, tops = ends(record)
    low, high = float(first(parameter, "min", 0)), float(first(parameter, "max", 0))
    bounds = [["min_value", "0.0"], ["max_value", decimal(min(high - low, 1e30))]]
    turned = [["scale", "-1"], ["shift", repr(high)]]
    there, back = (turned, turned) if low < -1e30 else ([["shift", repr(-low)]], [["shift", repr(low)]])
    # A layer that works in place goes on doing so.
    inner = tops if tops == bottoms else [name + "/there"]
    return [
        layer(name + "/there", "Power", bottoms, inner, power_param=there),
        layer(name + "/clip", "ReLU6", inner, inner, relu6_param=bounds),
        layer(name, "Power", inner, tops, power_param=back),
    ]


def lrn(parameter, record):
    """Caffe's k is called bias."""
    k = first(parameter, "k")
    if k is not None and first(parameter, "norm_region") not in ("WITHIN_CHANNEL", "1"):
        parameter.append(["bias", decimal(float(k))])


def tile(parameter, record):
    """OpenCV's Tile counts otherwise: the blob is joined to itself."""
    name, bottoms, tops = ends(record)
    axis = [["axis", first(parameter, "axis", "1")]]
    return [layer(name, "Concat", bottoms * int(first(parameter, "tiles", 1)), tops, concat_param=axis)]


def prior_box(parameter, record):
    """Caffe keeps box sizes as whole numbers and does not clip unless told to."""
    for pair in parameter:
        if pair[0] in ("min_size", "max_size"):
            pair[1] = str(int(float(pair[1])))
    if first(parameter, "clip") is None:
        parameter.append(["clip", "false"])


def bias(parameter, record):
    return [layer(ends(record)[0], "Shift", *ends(record)[1:], bias_param=parameter)]


def constant(parameter, record):
    return [layer(ends(record)[0], "Const", [], ends(record)[2])]


YES = ("true", "t", "1")
RESPELT = {
    "Bias": ("bias_param", bias), "Clip": ("clip_param", clip), "LRN": ("lrn_param", lrn),
    "Parameter": ("parameter_param", constant), "Pooling": ("pooling_param", pooling),
    "PriorBox": ("prior_box_param", prior_box), "Tile": ("tile_param", tile),
}  # fmt: skip
# Layers that OpenCV computes otherwise when the condition holds.
WRONG = {
    "Bias": ("bias_param", lambda p: first(p, "axis", "1") != "0", "adds a Bias along the first axes only"),
    "Deconvolution": ("convolution_param",
                      lambda p: len(every(p, "kernel_size")) > 2 or set(every(p, "dilation")) - {"1"},
                      "does Deconvolution over two axes without dilation only"),
    "DetectionOutput": ("detection_output_param", lambda p: "-" in first(p, "keep_top_k", "-")
                        or "-" in first(p, "background_label_id", "0"), "needs keep_top_k and a background label"),
    "InnerProduct": ("inner_product_param", lambda p: first(p, "transpose") in YES, "ignores InnerProduct's transpose"),
    "Log": ("log_param", bool, "leaves base, scale and shift out of Log"),
    "MVN": ("mvn_param", lambda p: float(first(p, "eps", 0)) > 1e-6 and first(p, "normalize_variance", "1") in YES,
            "adds eps under the root in MVN"),
    "Swish": ("swish_param", lambda p: float(first(p, "beta", 1)) != 1, "ignores beta in Swish"),
}  # fmt: skip
LACKS = ("ArgMax", "BatchReindex", "Embed", "Filter", "Im2col", "LSTM", "LSTMUnit", "Python", "Reduction", "RNN", "SPP",
         "Threshold")  # fmt: skip
DATA = ("AnnotatedData", "Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData")
TRAINING = ("Accuracy", "HDF5Output", "Silence")
# The types of the 2014 format, "layers { type: IMAGE_DATA }", in today's words.
CURRENT = dict((kind.upper(), kind) for kind in LACKS + DATA + TRAINING + tuple(RESPELT) + tuple(WRONG))


def kind_of(record):
    token = first(record, "type", "")
    return string(token) if token[:1] in ("'", '"') else CURRENT.get(token.replace("_", ""), token)


def kept(record, state):
    """Whether Caffe keeps the layer in this phase, at level 0, with these stages."""
    phase, stages = state.get("phase", "TEST"), state.get("stages", [])

    def met(rule):
        given = first(rule, "phase", phase)
        return (
            {"0": "TRAIN", "1": "TEST"}.get(given, given) == phase
            and all(string(stage) in stages for stage in every(rule, "stage"))
            and not any(string(stage) in stages for stage in every(rule, "not_stage"))
            and int(first(rule, "min_level", 0)) <= 0 <= int(first(rule, "max_level", 0))
        )

    include, exclude = every(record, "include"), every(record, "exclude")
    return any(met(rule) for rule in include) if include else not any(met(rule) for rule in exclude)


def needed(records, inputs, outputs):
    """The layers that the outputs depend on, in order, without data and training layers, and what they start at."""
    wanted, chosen = set(outputs), []
    for record in reversed(records):
        kind, (_, bottoms, tops) = kind_of(record), ends(record)
        other = kind in DATA + TRAINING or kind.upper().endswith("LOSS") or inputs.issuperset(tops)
        if wanted.intersection(tops) and not other:
            wanted.difference_update(tops)
            wanted.update(bottoms)
            chosen.append(record)
    return chosen[::-1], wanted


def respell(net, shapes, outputs, state):
    """The net for OpenCV: inputs of ``shapes``, the layers that matter, and an end of its own for every output blob."""
    net = copy.deepcopy(net)
    made = without(net, "input", "input_dim", "input_shape", "layer", "layers", "state")
    key = "layers" if every(net, "layers") else "layer"
    records, wanted = needed([record for record in every(net, key) if kept(record, state)], set(shapes), outputs)
    for name in wanted.intersection(shapes):
        made += [["input", quoted(name)], ["input_shape", [["dim", str(size)] for size in shapes[name]]]]
    for record in records:
        kind = kind_of(record)
        if kind in LACKS:
            raise Refused("unsupported", "OpenCV has no layer type %s (layer %r)" % (kind, ends(record)[0]))
        field, wrong, words = WRONG.get(kind, (None, lambda p: False, None))
        if wrong(first(record, field, [])):
            raise Refused("unsupported", "OpenCV %s (layer %r)" % (words, ends(record)[0]))
        record = without(record, "include", "exclude")
        field, change = RESPELT.get(kind, (None, lambda *_: None))
        instead = change(first(record, field, []), record)
        made.extend([key, part] for part in instead or [record])
    read = set(outputs).union(*(ends(record)[1] for record in records))
    last = [("Silence", [top for record in records for top in ends(record)[2] if top not in read], [])]
    last += [("Split", [name], ["onnxhub_output_%d" % index]) for index, name in enumerate(outputs)]
    for kind, bottoms, tops in last:
        end = layer((tops or ["onnxhub_silence"])[0], kind, bottoms, tops)
        if key == "layers":
            end[1][1] = kind.upper()
        made += [[key, end]] if bottoms else []
    return made


# --- the run ----------------------------------------------------------------------------------------------------------


def find_files(paths):
    """The net and the path of its weights, told apart by content."""
    net = weights = None
    for path in paths:
        with open(path, "rb") as file:
            head = file.read(1 << 16)
            if head[:8] == b"\x89HDF\r\n\x1a\n":
                raise Refused("unsupported", "OpenCV does not read Caffe's HDF5 weights")
            if re.search(rb"(^|[\s}])(layers?|input|input_dim)\s*[{:]", head) and b"\0" not in head[:4096]:
                net = net or parse((head + file.read()).decode("utf-8", "surrogateescape"))
            else:
                weights = weights or path
    if net is None:
        raise Refused("unsupported", "OpenCV needs the net as a prototxt")
    return net, weights


def run_caffe(request, folder):
    """All outputs in one run; if that fails and the option partial is set, each on its own, to leave out what fails."""
    net, weights = find_files([os.path.join(folder, path) for path in request["model"]])
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = dict((name, file["a%d" % index]) for index, name in enumerate(request["input_names"]))
    path, options = os.path.join(folder, "opencv.prototxt"), request.get("options", {})
    names, results, left_out = request["output_names"], [], {}
    report(0, 1, "run")
    try:
        results, seconds = forward(net, weights, arrays, names, options, path)
    except (Refused, cv2.error):
        if not options.get("partial"):
            raise
        seconds = None
        for name in names:
            try:
                results += forward(net, weights, arrays, [name], options, path)[0]
            except (Refused, cv2.error) as error:
                left_out[name] = " ".join(str(error.args[-1]).split())
        if not results:
            raise Refused("unsupported", "; ".join(sorted(set(left_out.values())))) from None
    names = [name for name in names if name not in left_out]
    results = [as_caffe(net, name, array) for name, array in zip(names, results)]  # noqa: B905
    return {"output_names": names, "left_out": left_out, "seconds": seconds}, results


def forward(net, weights, arrays, outputs, options, path):
    """The outputs, and the median seconds of a run."""
    spelt = respell(net, dict((name, array.shape) for name, array in arrays.items()), outputs, options)
    with open(path, "wb") as file:
        file.write(print_text(spelt).encode("utf-8", "surrogateescape"))
    model = cv2.dnn.readNetFromCaffe(path, weights) if weights else cv2.dnn.readNetFromCaffe(path)
    model.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    model.enableWinograd(False)
    for name in map(string, every(spelt, "input")):
        # wrap_channels: no axis is mistaken for the channels of pixels.
        model.setInput(cv2.Mat(np.ascontiguousarray(arrays[name], np.float32), wrap_channels=False), name)
    times = [time.time()]
    for _ in range(1 + options.get("runs", 0)):
        results = model.forward(["onnxhub_output_%d" % index for index in range(len(outputs))])
        times.append(time.time())
    # The first run also prepares the layers: it counts only when there is no other.
    return list(results), float(np.median(np.diff(times)[min(1, len(times) - 2) :]))


def as_caffe(net, name, array):
    """As Caffe gives an output: detections by image and label (OpenCV's by score), one axis where OpenCV has two."""
    makers, one_axis = {}, set()
    for record in every(net, "layer"):
        kind, (_, bottoms, tops) = kind_of(record), ends(record)
        dims = every(first(first(record, "reshape_param", []), "shape", []), "dim")
        flat = (
            len(dims) == 1 if kind == "Reshape" else kind != "InnerProduct" and bottoms[:1] and bottoms[0] in one_axis
        )
        one_axis.update(tops) if flat else one_axis.difference_update(tops)
        makers.update(dict.fromkeys(tops, kind))
    array = np.asarray(array, np.float32)
    if makers.get(name) == "DetectionOutput":
        rows = array.reshape(-1, 7)
        return rows[np.lexsort((rows[:, 1], rows[:, 0]))].reshape(1, 1, -1, 7)
    return array.reshape(-1) if name in one_axis and array.shape[1:] == (1,) else array


# --- Darknet ----------------------------------------------------------------------------------------------------------
AFTER = ("leaky", "logistic", "mish", "relu", "swish", "tanh")


def darknet_head(kind, options, x):
    """Darknet's tensor, by its formula, from the one in front of the head: OpenCV's own rows are decoded boxes."""
    y = x.reshape((len(x), -1, 5 + int(options.get("classes", 20))) + x.shape[2:]).astype(np.float64)
    logistic, power, scale = 1 / (1 + np.exp(-y)), np.exp(y[:, :, 5:]), float(options.get("scale_x_y", 1))
    if options.get("new_coords", "0") == "0":
        y[:, :, :2], y[:, :, 4:] = logistic[:, :, :2], logistic[:, :, 4:]
    if kind == "region" and options.get("softmax", "0") != "0":
        y[:, :, 5:] = power / power.sum(2, keepdims=True)
    y[:, :, :2] = y[:, :, :2] * scale - (scale - 1) / 2
    return y.reshape(x.shape).astype(np.float32)


def darknet_output(model, sections, name):
    """The layer called type_index, with the activation behind it, which OpenCV gives the next number."""
    kind, _, index = name.rpartition("_")
    head, parts = kind in ("yolo", "region"), [part.rsplit("_", 1) for part in model.getLayerNames()]
    ends = [n for n, part in enumerate(parts) if kind and part[1] == str(int(index) - head) and part[0] not in AFTER]
    if not ends:
        raise Refused("unsupported", "OpenCV does not give the output %r" % name)
    end = ends[-1] + (ends[-1] + 1 < len(parts) and parts[ends[-1] + 1][0] in AFTER)
    array = np.asarray(model.forward("_".join(parts[end])), np.float32)
    array = array.reshape(len(array), -1) if kind in ("softmax", "connected") else array
    return darknet_head(kind, sections[int(index) + 1], array) if head else array


def run_darknet(request, folder):
    """The cfg is the text among the files that has sections, the weights are binary."""
    heads = dict((path, np.fromfile(path, np.uint8, 1 << 16).tobytes()) for path in request["model"])
    cfg = next(path for path in heads if b"\0" not in heads[path] and b"[net" in heads[path])
    weights = next(path for path in heads if b"\0" in heads[path])
    with open(cfg, encoding="utf-8-sig", errors="replace") as file:
        parts = re.split(r"^\[", re.sub(r"[ \t\r]", "", file.read()), flags=re.MULTILINE)[1:]
    sections = [dict(re.findall(r"^(\w+)=([^\n#;]*)", part, re.MULTILINE)[::-1]) for part in parts]
    report(0, 1, "run")
    try:
        model = cv2.dnn.readNetFromDarknet(cfg, weights)
        model.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        model.enableWinograd(False)
        with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
            model.setInput(cv2.Mat(np.ascontiguousarray(file["a0"], np.float32), wrap_channels=False))
        results = [darknet_output(model, sections, name) for name in request["output_names"]]
    except cv2.error as error:
        raise Refused("unsupported", "OpenCV: " + " ".join(str(error).split())) from None
    return {"output_names": request["output_names"]}, results


# --- Torch7 -----------------------------------------------------------------------------------------------------------


def run_torch7(request, folder):
    """The one input, and the one output that OpenCV gives: that of the last layer. The encoding shows in the file."""
    path = request["model"][0]
    with open(path, "rb") as file:
        binary = file.read(2)[1:] != b"\n"
    if len(request["output_names"]) != 1:
        raise Refused("unsupported", "OpenCV gives one output of a Torch7 net only")
    report(0, 1, "run")
    try:
        model = cv2.dnn.readNetFromTorch(path, binary, True)
        model.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        model.enableWinograd(False)
        with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
            if len(file.files) != 1:
                raise Refused("unsupported", "OpenCV takes one input of a Torch7 net only")
            model.setInput(cv2.Mat(np.ascontiguousarray(file["a0"], np.float32), wrap_channels=False))
        results = [np.asarray(model.forward(), np.float32)]
    except cv2.error as error:
        raise Refused("unsupported", "OpenCV: " + " ".join(str(error).split())) from None
    return {"output_names": request["output_names"]}, results


ACTIONS = {"run:caffe": run_caffe, "run:darknet": run_darknet, "run:torch7": run_torch7}


def report(done, total, what):
    """Progress as a line on descriptor 3, which must have been open from the start."""
    if PROGRESS:
        os.write(
            3, (json.dumps({"event": "progress", "done": done, "total": total, "what": what}) + "\n").encode("utf-8")
        )


def main(folder):
    try:
        with open(os.path.join(folder, "request.json"), "rb") as file:
            request = json.loads(file.read().decode("utf-8"))
        if request.get("protocol") != PROTOCOL or request.get("action") not in ACTIONS:
            raise Refused("invalid", "this tool speaks protocol %d: %s" % (PROTOCOL, ", ".join(sorted(ACTIONS))))
        result, outputs = ACTIONS[request["action"]](request, folder)
        np.savez(os.path.join(folder, "out.npz"), **dict(("a%d" % index, array) for index, array in enumerate(outputs)))
        result.update(ok=True, outputs="out.npz")
    except Refused as refused:
        result = {"ok": False, "error": {"kind": refused.args[0], "message": refused.args[1]}}
    except Exception as error:
        traceback.print_exc()
        message = " ".join(("%s: %s" % (type(error).__name__, error)).split())
        result = {"ok": False, "error": {"kind": "failed", "message": message}}
    result["versions"] = {"opencv": cv2.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
