"""Runs Caffe2 models in Caffe2: python tool.py WORKDIR...

Stand-alone: the standard library, numpy, protobuf and caffe2 only, syntax of Python 3.6. WORKDIR/request.json says what
to run, WORKDIR/result.json and out.npz are the answer, progress goes as JSON lines to descriptor 3 if that is open.

Device options are left out, for this Caffe2 has processors only, and of a net only the operators run that the outputs
need: what serves training would ask for labels.
"""

import json
import os
import struct
import sys
import time
import traceback

PROTOCOL = 1
META = b"!!META_NET_DEF"


def progress_is_open():
    try:
        os.fstat(3)
        return True
    except OSError:
        return False


PROGRESS = progress_is_open()

import numpy as np  # noqa: E402
from caffe2.proto import caffe2_pb2, metanet_pb2  # noqa: E402
from caffe2.python import workspace  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from google.protobuf.message import DecodeError  # noqa: E402


class Refused(Exception):
    """The request cannot be met; the arguments are its kind (unsupported, invalid) and why."""


def request_of(folder):
    with open(os.path.join(folder, "request.json"), "rb") as file:
        return json.loads(file.read().decode("utf-8"))


# --- files ------------------------------------------------------------------------------------------------------------


def is_database(path):
    """Whether a file is a minidb: the first key behind two lengths is that of the nets, or that of a chunk."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if len(head) < 9:
        return False
    key, value = struct.unpack_from("<ii", head)
    text = head[8 : 8 + key] if 0 < key < 4000 and value > 0 else b""
    return text == META or (b"#%" in text)


def net_of(path):
    """A net in binary or text format, None for any other file."""
    with open(path, "rb") as file:
        data = file.read()
    net = caffe2_pb2.NetDef()
    try:
        net.ParseFromString(data)
        if net.op and all(op.type for op in net.op):
            return net
    except DecodeError:
        pass
    net = caffe2_pb2.NetDef()
    try:
        text_format.Merge(data.decode("utf-8-sig"), net, allow_unknown_field=True)
    except (UnicodeDecodeError, text_format.ParseError):
        return None
    return net if net.op else None


def computes(net):
    """Whether a net needs blobs that it does not make."""
    made = set()
    for op in net.op:
        if any(name not in made for name in op.input):
            return True
        made.update(op.output)
    return False


def tensors_of(path):
    """Parameters stored as tensors, by name."""
    with open(path, "rb") as file:
        data = file.read()
    found = caffe2_pb2.TensorProtos()
    try:
        found.ParseFromString(data)
    except DecodeError:
        return {}
    return dict((tensor.name, tensor) for tensor in found.protos if tensor.name)


def records_of(path):
    """(key, blob) of a minidb."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + 8 <= len(data):
        key, value = struct.unpack_from("<ii", data, at)
        blob = caffe2_pb2.BlobProto()
        blob.ParseFromString(data[at + 8 + key : at + 8 + key + value])
        yield data[at + 8 : at + 8 + key].decode("utf-8"), blob
        at += 8 + key + value


def load_database(path):
    """Fill the parameters of a predictor; its net and its init net, None in a database of parameters only."""
    chunks, meta = {}, None
    for key, blob in records_of(path):
        if key == META.decode():
            meta = metanet_pb2.MetaNetDef()
            meta.ParseFromString(blob.content)
        else:
            chunks.setdefault(key.split("#%")[0], []).append(blob)
    for name, blobs in chunks.items():
        parts = sorted((blob.tensor for blob in blobs), key=lambda tensor: tensor.segment.begin)
        whole = caffe2_pb2.TensorProto()
        whole.CopyFrom(parts[0])
        for part in parts[1:]:
            whole.float_data.extend(part.float_data)
            whole.int32_data.extend(part.int32_data)
            whole.int64_data.extend(part.int64_data)
            whole.double_data.extend(part.double_data)
            whole.byte_data += part.byte_data
        feed_tensor(name, whole)
    if meta is None:
        return None, []
    nets = dict((entry.key, entry.value) for entry in meta.nets)
    predict = [net for key, net in nets.items() if key.endswith("PREDICT_NET_TYPE")]
    init = [net for key, net in nets.items() if key.endswith("GLOBAL_INIT_NET_TYPE")]
    for net in init:
        kept = [op for op in net.op if op.type != "Load"]
        del net.op[:]
        net.op.extend(kept)
    if not predict:
        raise Refused("invalid", "the database holds no net")
    return predict[0], [net for net in init if net.op]


def feed_tensor(name, tensor):
    whole = caffe2_pb2.TensorProto()
    whole.CopyFrom(tensor)
    whole.ClearField("segment")
    whole.ClearField("device_detail")
    blob = caffe2_pb2.BlobProto(name=name, type="Tensor")
    blob.tensor.CopyFrom(whole)
    workspace.DeserializeBlob(name, blob.SerializeToString())


def load(paths):
    """Fill all parameters; the net that computes."""
    predicts, inits = [], []
    for path in paths:
        if is_database(path):
            net, more = load_database(path)
            predicts += [net] if net is not None else []
            inits += more
            continue
        net = net_of(path)
        if net is None:
            for name, tensor in tensors_of(path).items():
                feed_tensor(name, tensor)
        elif computes(net):
            predicts.append(net)
        else:
            inits.append(net)
    if not predicts and inits:
        predicts.append(inits.pop())
    if len(predicts) != 1:
        raise Refused("invalid", "there are %d nets that compute among the files" % len(predicts))
    for index, net in enumerate(inits):
        net.name = "init_%d" % index
        workspace.RunNetOnce(plain(net))
    return predicts[0]


# --- running ----------------------------------------------------------------------------------------------------------


def plain(net):
    """A net without its devices, nested nets included."""
    net.ClearField("device_option")
    for op in net.op:
        op.ClearField("device_option")
        for arg in op.arg:
            if arg.HasField("n"):
                plain(arg.n)
    return net


def needed(net, outputs):
    """Only the operators that the outputs need, walked from the end; a blob may be written several times."""
    wanted, kept = set(outputs), []
    for op in reversed(list(net.op)):
        if wanted.intersection(op.output) and not op.is_gradient_op:
            wanted.update(op.input)
            kept.append(op)
    kept.reverse()
    del net.op[:]
    net.op.extend(kept)
    return net


def fetched(name):
    if not workspace.HasBlob(name):
        raise Refused("unsupported", "Caffe2 made no blob %r" % name)
    found = workspace.FetchBlob(name)
    if type(found).__name__ == "Int8Tensor":
        found = found.data
    if not isinstance(found, (np.ndarray, np.generic)):
        raise Refused("unsupported", "the blob %r holds no numbers" % name)
    return np.asarray(found)


def run_caffe2(request, folder):
    workspace.ResetWorkspace()
    net = load([os.path.join(folder, path) for path in request["model"]])
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = dict((name, file["a%d" % index]) for index, name in enumerate(request["input_names"]))
    known = set(name for op in net.op for name in list(op.input) + list(op.output)) | set(net.external_input)
    missing = sorted(set(arrays) - known)
    if missing:
        raise Refused("unsupported", "the net has no input %s" % ", ".join(missing))
    names = list(request.get("output_names") or net.external_output) or list(net.op[-1].output)
    report(0, 1, "run")
    net = plain(net)
    if not any(arg.HasField("n") for op in net.op for arg in op.arg):
        net = needed(net, names)
    net.name, net.type = "onnxhub", "simple"
    del net.external_input[:]
    del net.external_output[:]
    for name in known:
        if not workspace.HasBlob(name) and name not in arrays:
            workspace.CreateBlob(name)
    times, results = [time.time()], []
    for index in range(1 + request.get("options", {}).get("runs", 0)):
        # Inputs may have been written over.
        for name, array in arrays.items():
            workspace.FeedBlob(name, array)
        if index == 0:
            workspace.CreateNet(net, overwrite=True)
        times.append(time.time())
        workspace.RunNet(net.name)
        times.append(time.time())
        results = results or [fetched(name) for name in names]
    runs = np.asarray(times[1:]).reshape(-1, 2)
    # The first run also prepares the operators: it counts only when there is no other.
    seconds = float(np.median((runs[:, 1] - runs[:, 0])[min(1, len(runs) - 1) :]))
    return {"output_names": names, "seconds": seconds}, results


ACTIONS = {"run:caffe2": run_caffe2}


def report(done, total, what):
    """Progress as a line on descriptor 3, which must have been open from the start."""
    if PROGRESS:
        line = json.dumps({"event": "progress", "done": done, "total": total, "what": what})
        os.write(3, (line + "\n").encode("utf-8"))


def said(error):
    """A Caffe2 error without the trace of its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:1000]


def main(folder):
    try:
        request = request_of(folder)
        if request.get("protocol") != PROTOCOL or request.get("action") not in ACTIONS:
            raise Refused("invalid", "this tool speaks protocol %d: %s" % (PROTOCOL, ", ".join(sorted(ACTIONS))))
        result, outputs = ACTIONS[request["action"]](request, folder)
        np.savez(os.path.join(folder, "out.npz"), **dict(("a%d" % index, array) for index, array in enumerate(outputs)))
        result.update(ok=True, outputs="out.npz")
    except Refused as refused:
        result = {"ok": False, "error": {"kind": refused.args[0], "message": refused.args[1]}}
    except Exception as error:
        traceback.print_exc()
        theirs = isinstance(error, RuntimeError)
        result = {"ok": False, "error": {"kind": "unsupported" if theirs else "failed", "message": said(error)}}
    import torch

    result["versions"] = {"caffe2": torch.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
