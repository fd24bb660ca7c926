"""Runs MXNet models in MXNet: python tool.py WORKDIR...

Stand-alone: the standard library, numpy and mxnet only, syntax of Python 3.6. WORKDIR/request.json says what to run,
WORKDIR/result.json and out.npz are the answer, progress goes as JSON lines to descriptor 3 if that is open.

MKL-DNN is off, for MXNet 1.9.1 computes some nets wrongly with it (SSD heads, dilated deconvolutions); only the fused
recurrent layer does not bind without it. The choice has to be made before mxnet is imported.
"""

import json
import os
import struct
import sys
import time
import traceback

PROTOCOL = 1
LIST_MAGIC = 0x112
RECURRENT = ("RNN", "_npx_rnn")


def progress_is_open():
    try:
        os.fstat(3)
        return True
    except OSError:
        return False


PROGRESS = progress_is_open()


class Refused(Exception):
    """The request cannot be met; the arguments are its kind (unsupported, invalid) and why."""


def request_of(folder):
    with open(os.path.join(folder, "request.json"), "rb") as file:
        return json.loads(file.read().decode("utf-8"))


def find_files(folder, paths):
    """The symbol's text and the path of the parameters (or None), told apart by content."""
    symbol = params = None
    for path in [os.path.join(folder, path) for path in paths]:
        with open(path, "rb") as file:
            head = file.read(16)
            if len(head) == 16 and struct.unpack("<QQ", head) == (LIST_MAGIC, 0):
                params = params or path
            elif head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
                symbol = symbol or (head + file.read()).decode("utf-8-sig")
    if symbol is None:
        raise Refused("invalid", "there is no symbol among the files")
    return symbol, params


def operators(symbol):
    """All operators of a graph and of its sub-graphs."""
    found, stack = set(), [json.loads(symbol)]
    while stack:
        graph = stack.pop()
        for node in graph["nodes"]:
            found.add(node["op"])
            stack.extend(node.get("subgraphs", []))
    return found


def uses_recurrence(folder):
    """Whether the request's model needs MKL-DNN; a request that cannot be read is refused later."""
    try:
        return bool(operators(find_files(folder, request_of(folder)["model"])[0]).intersection(RECURRENT))
    except Exception:
        return False


os.environ["MXNET_MKLDNN_ENABLED"] = str(int(any(uses_recurrence(folder) for folder in sys.argv[1:])))
os.environ["MXNET_STORAGE_FALLBACK_LOG_VERBOSE"] = "0"

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402


def has_numpy_shapes(symbol):
    """Whether the graph was exported under numpy's rules: sizes of 0 and shapes without axes are real."""
    flag = (json.loads(symbol).get("attrs") or {}).get("is_np_shape", ["int", 0])
    return bool(flag[1])


def load_params(path):
    """Arrays by bare name; files written under numpy's rules can be read under them only."""
    if path is None:
        return {}
    try:
        loaded = mx.nd.load(path)
    except mx.base.MXNetError:
        with mx.util.np_shape(True), mx.util.np_array(True):
            loaded = mx.nd.load(path)
    if isinstance(loaded, list) and loaded:
        raise Refused("unsupported", "the parameter file holds arrays without names")
    return dict((name.split(":", 1)[1] if name[:4] in ("arg:", "aux:") else name, array)
                for name, array in dict(loaded).items())  # fmt: skip


def part_of(symbol, names):
    """The graph that computes these outputs, or all of them when none is named."""
    if not names:
        return symbol
    internals = symbol.get_internals()
    known = set(internals.list_outputs())
    chosen = []
    for name in names:
        found = name if name in known else name + "_output"
        if found not in known:
            raise Refused("unsupported", "MXNet has no output %r" % name)
        chosen.append(internals[found])
    return mx.sym.Group(chosen)


def run_mxnet(request, folder):
    text, path = find_files(folder, request["model"])
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = dict((name, file["a%d" % index]) for index, name in enumerate(request["input_names"]))
    report(0, 1, "run")
    with mx.util.np_shape(has_numpy_shapes(text)):
        graph = part_of(mx.sym.load_json(text), request.get("output_names"))
        return execute(graph, arrays, load_params(path), request)


def execute(graph, arrays, params, request):
    """The outputs, and the median seconds of a run."""
    arguments = graph.list_arguments()
    missing = sorted(set(arrays) - set(arguments))
    if missing:
        raise Refused("unsupported", "the graph has no input %s" % ", ".join(missing))
    shapes = dict((name, params[name].shape) for name in arguments if name in params)
    shapes.update((name, array.shape) for name, array in arrays.items())
    types = dict((name, array.dtype.type) for name, array in arrays.items())
    # The CPU has no half-precision kernels: such parameters are widened, unless an input is in half precision itself.
    if np.float16 not in types.values():
        types.update((name, np.float32) for name in arguments if name in params and params[name].dtype == np.float16)
    bound = graph.simple_bind(mx.cpu(), grad_req="null", type_dict=types, **shapes)
    for table in (bound.arg_dict, bound.aux_dict):
        for name, place in table.items():
            given = arrays.get(name, params.get(name))
            if given is not None:
                place[:] = given if isinstance(given, np.ndarray) else given.asnumpy()
    times = [time.time()]
    for _ in range(1 + request.get("options", {}).get("runs", 0)):
        results = [output.asnumpy() for output in bound.forward(is_train=False)]
        times.append(time.time())
    names = list(request.get("output_names") or graph.list_outputs())
    # The first run also prepares the layers: it counts only when there is no other.
    seconds = float(np.median(np.diff(times)[min(1, len(times) - 2) :]))
    return {"output_names": names, "seconds": seconds}, results


ACTIONS = {"run:mxnet": run_mxnet}


def report(done, total, what):
    """Progress as a line on descriptor 3, which must have been open from the start."""
    if PROGRESS:
        line = json.dumps({"event": "progress", "done": done, "total": total, "what": what})
        os.write(3, (line + "\n").encode("utf-8"))


def said(error):
    """An MXNet error without the trace of its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("MXNetError") or "rror in operator" in line]
    return (telling or lines or [type(error).__name__])[-1][:1000]


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
        ours = not isinstance(error, mx.base.MXNetError) and "MXNetError" not in str(error)
        result = {"ok": False, "error": {"kind": "failed" if ours else "unsupported", "message": said(error)}}
    result["versions"] = {"mxnet": mx.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
