"""Runs Paddle models in Paddle's inference predictor: python tool.py WORKDIR...

Stand-alone: the standard library, numpy and paddle only. WORKDIR/request.json says what to run, WORKDIR/result.json and
out.npz are the answer, progress goes as JSON lines to descriptor 3 if that is open.

The predictor tells the kind of a program by its file's ending, and parameters of their own files by their folder: the
files are linked under the names that it knows. Its graph optimisations are off.
"""

import json
import os
import shutil
import struct
import sys
import time
import traceback

import numpy as np
import paddle
from paddle import inference

PROTOCOL = 1


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


def is_params(head):
    """A tensor's record: versions of 0 around the number of LoD levels, then the size of a small description."""
    if len(head) < 22:
        return False
    version, levels = struct.unpack_from("<IQ", head)
    if version or levels > 16:
        return False
    if levels:
        return True
    version, size, tag = struct.unpack_from("<IiB", head, 12)
    return version == 0 and 2 <= size <= 1024 and tag == 8


def is_pir(path, head):
    """A JSON text that says so at its beginning or its end."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return False
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - 65536, 0))
        return b"".join((head + file.read()).split()).find(b'"magic":"pir"') >= 0


def find_files(folder, paths):
    """The program, whether it is PIR, and the files of parameters, told apart by content."""
    program, pir, params = None, False, []
    for path in [os.path.join(folder, path) for path in paths]:
        if path.lower().endswith((".info", ".yml", ".yaml", ".txt", ".md")):
            continue
        with open(path, "rb") as file:
            head = file.read(4096)
        if is_params(head):
            params.append(path)
        elif is_pir(path, head):
            program, pir = program or path, True
        elif head[:1] == b"\x0a":
            program = program or path
    if program is None:
        raise Refused("invalid", "there is no program among the files")
    return program, pir, params


def config_of(folder, paths):
    """The program, and parameters in files of their own, under the names that the predictor knows.

    They are copied, for the jail makes no links; parameters in one file, which may be large, stay where they are.
    """
    program, pir, params = find_files(folder, paths)
    home = os.path.join(folder, "model")
    os.makedirs(home, exist_ok=True)

    def copied(path, name):
        target = os.path.join(home, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            shutil.copyfile(path, target)
        return target

    if len(params) > 1:
        copied(program, "__model__")
        root = os.path.dirname(os.path.abspath(program))
        for path in params:
            name = os.path.relpath(os.path.abspath(path), root)
            copied(path, os.path.basename(path) if name.startswith("..") else name)
        config = inference.Config(home)
    else:
        stem = copied(program, "model.json" if pir else "model.pdmodel")
        config = inference.Config(stem, os.path.abspath(params[0]) if params else "")
    config.disable_gpu()
    config.disable_mkldnn()
    config.switch_ir_optim(False)
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    return config


def has_pir_loops(config):
    """Whether a program of Paddle 3 has loops: in place, its predictor never ends some that its executor does."""
    path = config.prog_file()
    if not path.endswith(".json"):
        return False
    with open(path, "rb") as file:
        return b'"1.while"' in b"".join(file.read().split())


def execute(config, arrays, runs):
    """Names and arrays of all outputs, and the times, from Paddle's executor."""
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    folder, name = os.path.split(config.prog_file())
    parameters = config.params_file() or None
    program, known, fetches = paddle.static.load_inference_model(
        folder, executor, model_filename=name, params_filename=parameters
    )
    lacking = sorted(set(known) - set(arrays))
    if lacking:
        raise Refused("invalid", "the program also takes %s" % ", ".join(lacking))
    times = [time.time()]
    for _ in range(1 + runs):
        found = executor.run(program, feed=dict((key, arrays[key]) for key in known), fetch_list=fetches)
        times.append(time.time())
    return ["fetch_name_%d" % place for place in range(len(fetches))], found, times


def chosen(request, made):
    """The outputs that are asked for: all, or some of those that are ``made``."""
    names = list(request.get("output_names") or made)
    inner = sorted(set(names) - set(made))
    if inner:
        raise Refused("unsupported", "Paddle's predictor does not give %s" % ", ".join(inner))
    return names


def median(times):
    """The first run also prepares the layers: it counts only when there is no other."""
    return float(np.median(np.diff(times)[min(1, len(times) - 2) :]))


def run_paddle(request, folder):
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = dict((name, file["a%d" % index]) for index, name in enumerate(request["input_names"]))
    report(0, 1, "run")
    config, runs = config_of(folder, request["model"]), request.get("options", {}).get("runs", 0)
    if has_pir_loops(config):
        made, found, times = execute(config, arrays, runs)
        names = chosen(request, made)
        return {"output_names": names, "seconds": median(times)}, [found[made.index(name)] for name in names]
    predictor = inference.create_predictor(config)
    known = set(predictor.get_input_names())
    missing, lacking = sorted(set(arrays) - known), sorted(known - set(arrays))
    if missing:
        raise Refused("unsupported", "the program has no input %s" % ", ".join(missing))
    if lacking:
        raise Refused("invalid", "the program also takes %s" % ", ".join(lacking))
    names = chosen(request, list(predictor.get_output_names()))
    for name, array in arrays.items():
        handle = predictor.get_input_handle(name)
        handle.reshape(array.shape)
        handle.copy_from_cpu(np.ascontiguousarray(array))
    times = [time.time()]
    for _ in range(1 + runs):
        predictor.run()
        results = [predictor.get_output_handle(name).copy_to_cpu() for name in names]
        times.append(time.time())
    return {"output_names": names, "seconds": median(times)}, results


ACTIONS = {"run:paddle": run_paddle}


def report(done, total, what):
    """Progress as a line on descriptor 3, which must have been open from the start."""
    if PROGRESS:
        line = json.dumps({"event": "progress", "done": done, "total": total, "what": what})
        os.write(3, (line + "\n").encode("utf-8"))


def said(error):
    """The sentence of a Paddle error, without the trace of its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error:" in line and not line.startswith("File")]
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
        theirs = isinstance(error, (RuntimeError, ValueError, NotImplementedError))
        result = {"ok": False, "error": {"kind": "unsupported" if theirs else "failed", "message": said(error)}}
    result["versions"] = {"paddle": paddle.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
