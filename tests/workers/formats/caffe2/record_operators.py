"""Records what Caffe2 (as torch 1.8.1 has it) computes for small nets: python record_operators.py FOLDER.

Runs in Caffe2's own environment (Python 3.7). Writes FOLDER/nets.json.xz (the nets' inputs and outputs, and where the
arrays stand) and FOLDER/arrays.npz (the files' bytes and all arrays in one). A net whose batch may change is recorded
with another one as well. What Caffe2 itself cannot run is named and left out.
"""

# ruff: noqa: UP031

import io
import json
import lzma
import os
import sys

import nets_of_layers
import numpy as np
import operator_cases
from caffe2.proto import caffe2_pb2
from caffe2.python import core, utils, workspace

FILLS = {"f4": "GivenTensorFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill", "b1": "GivenTensorBoolFill"}


def fill(name, array):
    """One operator of an init net."""
    kind = FILLS[array.dtype.str[1:]]
    return core.CreateOperator(kind, [], [name], shape=list(array.shape), values=array.ravel().tolist())


def nets_of(entry):
    """(init net, predict net, names of the fed blobs, names of the outputs) of one operator."""
    init, predict = caffe2_pb2.NetDef(name="init"), caffe2_pb2.NetDef(name="predict")
    inputs = list(entry["inputs"]) + [name for name in entry["params"]]
    for name, array in entry["params"].items():
        init.op.extend([fill(name, np.asarray(array))])
    if "first" in entry:
        kind, table = entry["first"]
        init.op.extend([fill("rows", table), core.CreateOperator(kind, ["rows"], ["table"])])
        inputs.insert(0, "table")
    outputs = ["out"] + ["out%d" % place for place in range(1, entry["outs"])]
    args = dict(entry["args"])
    engine = args.pop("engine", "")
    predict.op.extend([core.CreateOperator(entry["op"], inputs, outputs, engine=engine, **args)])
    if "first" in entry:
        init = packed(init)
    predict.external_input.extend(inputs)
    predict.external_output.extend(outputs)
    return init, predict, list(entry["inputs"]), outputs


def packed(init):
    """An init net that fills the table with the bytes that Caffe2 made, as an exporter does."""
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    table = workspace.FetchBlob("table")
    made = caffe2_pb2.NetDef(name="init")
    op = made.op.add(type="GivenTensorByteStringToUInt8Fill", output=["table"])
    op.arg.extend([utils.MakeArgument("shape", list(table.shape))])
    op.arg.add(name="values").strings.append(table.tobytes())
    return made


def run(init, predict, given):
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    for name, array in given.items():
        workspace.FeedBlob(name, array)
    workspace.RunNetOnce(predict)
    return [fetched(name) for name in predict.external_output]


def fetched(name):
    found = workspace.FetchBlob(name)
    return found.data if type(found).__name__ == "Int8Tensor" else np.asarray(found)


def drawn(make, batch, name):
    return make(batch, name) if callable(make) else np.asarray(make)


def grows(inputs):
    """Whether any input has the batch among its sizes."""
    one, two = ({name: drawn(make, n, name).shape for name, make in inputs.items()} for n in (2, 3))
    return one != two


def all_nets():
    for family in operator_cases.FAMILIES:
        family()
    for entry in operator_cases.CASES:
        yield entry["name"], entry["inputs"], lambda entry=entry: nets_of(entry)
    yield from nets_of_layers.NETS


def recorded(inputs, build):
    """The arrays of one net by what they are, and its names; or why Caffe2 cannot run it."""
    try:
        init, predict, names, outputs = build()
        batches = [2, 3] if grows(inputs) else [2]
        arrays = {}
        for place, batch in enumerate(batches):
            given = {key: drawn(make, batch, key) for key, make in inputs.items()}
            results = run(init, predict, given)
            arrays.update(("in%d|%s" % (place, key), array) for key, array in given.items())
            arrays.update(("out%d|%d" % (place, index), array) for index, array in enumerate(results))
        arrays["init"] = np.frombuffer(init.SerializeToString(), np.uint8)
        arrays["predict"] = np.frombuffer(predict.SerializeToString(), np.uint8)
        return arrays, {"inputs": names, "outputs": outputs, "runs": len(batches)}
    except Exception as error:
        return ([line for line in str(error).splitlines() if line.strip()] or [repr(error)])[0]


def in_child(function, *arguments):
    """The function's result from a process of its own: some operators bring the whole process down."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        result = function(*arguments)
        with os.fdopen(write, "wb") as pipe:
            if isinstance(result, str):
                np.savez(pipe, error=np.asarray(result))
            else:
                np.savez(pipe, facts=np.asarray(json.dumps(result[1])), **result[0])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        return "the process died"
    with np.load(io.BytesIO(data)) as found:
        if "error" in found:
            return str(found["error"])
        arrays = dict((key, found[key]) for key in found if key != "facts")
        return arrays, json.loads(str(found["facts"]))


def main(folder):
    found, index, pieces, at = {}, {}, [], 0

    def keep(key, array):
        nonlocal at
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        index[key] = [array.dtype.str, list(array.shape), at]
        pieces.append(array.reshape(-1).view(np.uint8))
        at += array.nbytes

    for name, inputs, build in all_nets():
        result = in_child(recorded, inputs, build)
        if isinstance(result, str):
            print("CANNOT", name, result[:250], flush=True)
            continue
        arrays, found[name] = result
        for key, array in arrays.items():
            keep("%s|%s" % (name, key), array)
    with lzma.open(os.path.join(folder, "nets.json.xz"), "wt") as file:
        json.dump({"nets": found, "arrays": index}, file, separators=(",\n", ":"), sort_keys=True)
    np.savez_compressed(os.path.join(folder, "arrays.npz"), data=np.concatenate(pieces))
    print(len(found), "recorded")


if __name__ == "__main__":
    main(sys.argv[1])
