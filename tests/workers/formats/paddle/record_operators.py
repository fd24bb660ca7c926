"""Records what Paddle computes for one small program an operator: python record_operators.py FOLDER.

Runs in Paddle's own environments: 2.6 gives programs of the old kind (pdmodel), 3.x PIR. A case is a folder of model
files with io.npz: ``in<run>|<input>`` and ``out<run>|<place>``; one whose batch may change is recorded with another one
as well. ``python record_operators.py FOLDER --pack`` joins what both have left into FOLDER/operators.tar.xz.
"""

# ruff: noqa: UP031

import io
import os
import sys
import tarfile
import tempfile
import traceback
import zlib

import numpy as np
import paddle
from operator_cases import CASES, arrays, detection, elementwise, layers, networks, quantised

FAMILIES = (
    elementwise.unary, elementwise.activations, elementwise.binary, elementwise.linear, layers.convolutions,
    layers.poolings, layers.norms, layers.recurrent, layers.resizes, arrays.shapes, arrays.slices, arrays.indexing,
    arrays.reductions, arrays.creations, arrays.control, detection.detections, detection.regions, quantised.quantised,
    networks.signals, networks.graphs, networks.labels, networks.loops,
    networks.counts, networks.proposals, networks.widths,
)  # fmt: skip
OLD = paddle.__version__ < "3"


def one(name, build, inputs):
    """Files of one case by name."""
    seed = zlib.crc32(name.encode()) % 2**31
    main, startup = paddle.static.Program(), paddle.static.Program()
    paddle.seed(seed)
    rng = np.random.RandomState(seed)
    drawn = [{key: make(rng, 2 + run) for key, make in inputs.items()} for run in range(2)]
    with paddle.utils.unique_name.guard(), paddle.static.program_guard(main, startup):
        feeds = [paddle.static.data(key, make.declared(), str(drawn[0][key].dtype)) for key, make in inputs.items()]
        outputs = build(*feeds)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    executor = paddle.static.Executor(paddle.CPUPlace())
    executor.run(startup)
    with tempfile.TemporaryDirectory() as folder:
        stem = os.path.join(folder, "model")
        if OLD:
            for block in main.blocks:
                for op in block.ops:
                    op._remove_attr("op_callstack")
        paddle.static.save_inference_model(stem, feeds, outputs, executor, program=main)
        if OLD:
            strip(stem + ".pdmodel")
        runs = 2 if any("N" in make.shape for make in inputs.values()) else 1
        program, names, fetches = paddle.static.load_inference_model(stem, executor)
        found = {}
        for run in range(runs):
            given = {key: drawn[run][key] for key in names}
            results = executor.run(program, feed=given, fetch_list=fetches, return_numpy=False)
            results = [np.array(result) for result in results]
            found.update(("in%d|%s" % (run, key), array) for key, array in drawn[run].items())
            found.update(("out%d|%d" % (run, place), array) for place, array in enumerate(results))
        files = {}
        for file in sorted(os.listdir(folder)):
            with open(os.path.join(folder, file), "rb") as stream:
                files[file] = stream.read()
    packed = io.BytesIO()
    np.savez(packed, **found)
    files["io.npz"] = packed.getvalue()
    return files


def strip(path):
    """Without the lines of source that every operator carries."""
    from paddle.base.proto import framework_pb2

    program = framework_pb2.ProgramDesc()
    with open(path, "rb") as file:
        program.ParseFromString(file.read())
    for block in program.blocks:
        for op in block.ops:
            kept = [
                attr for attr in op.attrs if attr.name not in ("op_callstack", "op_namescope", "op_role", "op_device")
            ]
            del op.attrs[:]
            op.attrs.extend(kept)
    program.ClearField("op_version_map")
    with open(path, "wb") as file:
        file.write(program.SerializeToString())


def main(folder, wanted):
    paddle.enable_static()
    for family in FAMILIES:
        family()
    count = 0
    for name, build, only, inputs in CASES:
        if only == ("new" if OLD else "old") or (wanted and name not in wanted):
            continue
        try:
            files = one(name, build, inputs)
        except Exception as error:
            if wanted:
                traceback.print_exc()
            lines = [line.strip() for line in str(error).splitlines() if "rror" in line] or [str(error)[-200:]]
            print("CANNOT", name, type(error).__name__, lines[-1][:200], flush=True)
            continue
        count += 1
        home = os.path.join(folder, "pdmodel" if OLD else "pir", name)
        os.makedirs(home, exist_ok=True)
        for file, data in files.items():
            with open(os.path.join(home, file), "wb") as stream:
                stream.write(data)
    print(count, "recorded")


def pack(folder):
    """Both kinds of a case side by side: they share their numbers, which are stored once then."""
    kinds = [kind for kind in ("pdmodel", "pir", "fluid") if os.path.isdir(os.path.join(folder, kind))]
    names = sorted({(name, kind) for kind in kinds for name in os.listdir(os.path.join(folder, kind))})
    with tarfile.open(os.path.join(folder, "operators.tar.xz"), "w:xz", preset=9) as archive:
        for name, kind in names:
            for file in sorted(os.listdir(os.path.join(folder, kind, name))):
                with open(os.path.join(folder, kind, name, file), "rb") as stream:
                    data = stream.read()
                entry = tarfile.TarInfo("%s/%s/%s" % (kind, name, file))
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


if __name__ == "__main__":
    if sys.argv[2:] == ["--pack"]:
        pack(sys.argv[1])
    else:
        main(sys.argv[1], sys.argv[2:])
