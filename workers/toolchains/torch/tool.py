"""Runs and exports PyTorch models: python tool.py WORKDIR...

Stand-alone: the standard library, numpy and torch (safetensors is imported by the models). WORKDIR/request.json says
what to do, WORKDIR/result.json and out.npz are the answer, progress goes as JSON lines to descriptor 3 if that is open.

    run:pytorch     import model.py, load its weights, run it
    run:pt2         load an exported program, run it
    export:pytorch  export model.py as a program, free axes kept free; the program must compute the same when reloaded
    capture:pytorch make the model of an uploaded model.py, load the weights given as inputs, save its graph
    run:source      load what a user uploaded (program, TorchScript, or source with a state_dict), run it by position
    run:many        run many model.py in one process: options.cases = [{"model": path, "inputs": [index | [..] | null]}]

Element types that numpy has not (bfloat16, eight-bit floats) travel as unsigned integers of the same width; their names
stand in INPUTS of model.py and in output_types of the result.
"""

import importlib.util
import inspect
import itertools
import json
import os
import statistics
import sys
import time
import traceback
import zipfile

import numpy as np
import torch

PROTOCOL = 1
BITS = {1: torch.uint8, 2: torch.uint16}


class Refused(Exception):
    """The request cannot be met; ``kind`` is one of unsupported, invalid, failed."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


# --- tensors and arrays -----------------------------------------------------------------------------------------------


def to_tensor(array, dtype, device):
    """An array as a tensor; ``dtype`` names the type where numpy cannot."""
    if array.dtype.kind == "V":
        array = array.view({1: np.uint8, 2: np.uint16}[array.dtype.itemsize])
    # A tensor of its own: np.load's arrays may not be aligned or writable.
    tensor = torch.from_numpy(np.array(array, order="C"))
    if dtype == "bfloat16" or (dtype or "").startswith("float8"):
        tensor = tensor.view(getattr(torch, dtype))
    return tensor.to(device)


def to_array(tensor):
    """A tensor's array and the name of its type."""
    tensor = tensor.detach().cpu().contiguous()
    name = str(tensor.dtype)[len("torch.") :]
    if name == "bfloat16" or name.startswith("float8"):
        tensor = tensor.view(BITS[tensor.dtype.itemsize])
    return tensor.numpy(), name


def device_of(request):
    name = request.get("device", "cpu")
    if name != "cpu" and not torch.cuda.is_available():
        raise Refused("unsupported", "there is no CUDA device that PyTorch can use")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def inputs_of(request, folder, types, device):
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = [file["a%d" % index] for index in range(len(request["input_names"]))]
    return [to_tensor(array, dtype, device) for array, dtype in zip(arrays, types, strict=True)]


# --- models -----------------------------------------------------------------------------------------------------------


def only(paths, ending, folder):
    found = [path for path in paths if path.endswith(ending)]
    if len(found) != 1:
        raise Refused("invalid", "expected one file *%s among %s" % (ending, ", ".join(paths)))
    return os.path.join(folder, found[0])


def load_module(path, device):
    """The nn.Module of a written model.py with its weights, and the table of its inputs."""
    spec = importlib.util.spec_from_file_location("written_%d" % abs(hash(path)), path)
    source = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(source)
    return source.load().to(device).eval(), source.INPUTS


def types_of(request, table):
    """Element type names in the order of the request's inputs, which are those of ``forward``."""
    names = request["input_names"]
    missing = [name for name in table if name not in names]
    if missing or len(names) != len(table):
        raise Refused("invalid", "the model takes %s, given were %s" % (", ".join(table), ", ".join(names)))
    return [table[name][0] for name in names]


def flat(result):
    """The outputs as a list."""
    return list(result) if isinstance(result, tuple | list) else [result]


def timed(function, runs, device):
    """The result of the first call, and the median seconds of ``runs`` calls after it (its own, of none)."""

    def call():
        start = time.perf_counter()
        result = function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return result, time.perf_counter() - start

    result, first = call()
    return result, statistics.median([call()[1] for _ in range(runs)] or [first])


def checked(outputs, names):
    if len(outputs) != len(names):
        raise Refused("failed", "the model gives %d outputs, expected were %d" % (len(outputs), len(names)))
    for name, output in zip(names, outputs, strict=True):
        if not isinstance(output, torch.Tensor):
            raise Refused("unsupported", "the output %s is not a tensor" % name)
    return outputs


# --- actions ----------------------------------------------------------------------------------------------------------


def run_pytorch(request, folder, report):
    device = device_of(request)
    report(0, 2, "load")
    model, table = load_module(only(request["model"], ".py", folder), device)
    given = inputs_of(request, folder, types_of(request, table), device)
    by_name = dict(zip(request["input_names"], given, strict=True))
    report(1, 2, "run")
    runs = request.get("options", {}).get("runs", 0)
    with torch.no_grad():
        result, seconds = timed(lambda: model(**by_name), runs, device)
    return {"seconds": seconds}, checked(flat(result), request["output_names"])


def run_pt2(request, folder, report):
    device = device_of(request)
    report(0, 2, "load")
    program = torch.export.load(only(request["model"], ".pt2", folder))
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    types = {node.name: str(node.meta["val"].dtype)[6:] for node in program.graph.nodes if node.name in names}
    given = inputs_of(request, folder, [types[name] for name in names], device)
    model = program.module().to(device)
    report(1, 2, "run")
    with torch.no_grad():
        result, seconds = timed(lambda: model(*given), request.get("options", {}).get("runs", 0), device)
    return {"seconds": seconds}, checked(flat(result), request["output_names"])


def enlarged(tensors, table):
    """The inputs with every free axis of size 1 doubled: torch takes a size of 1 for a constant."""
    result = []
    for tensor, (_, shape) in zip(tensors, table.values(), strict=True):
        for axis, size in enumerate(shape or ()):
            if not isinstance(size, int) and tensor.shape[axis] == 1:
                tensor = tensor.repeat_interleave(2, axis)
        result.append(tensor)
    return result


def summary(error):
    return "%s: %s" % (type(error).__name__, str(error).strip().split("\n")[0])


def export(model, examples, table):
    """The exported program, and why its axes are not free if they are not."""
    auto, shapes = torch.export.Dim.AUTO, [shape or () for _, shape in table.values()]
    free = [{axis: auto for axis, size in enumerate(shape) if not isinstance(size, int)} for shape in shapes]
    if not any(free):
        return torch.export.export(model, tuple(examples)), None
    try:
        return torch.export.export(model, tuple(enlarged(examples, table)), dynamic_shapes=tuple(free)), None
    except Exception as error:
        reason = summary(error)
    return torch.export.export(model, tuple(examples)), reason


def still_free(program, table):
    """Free axes of the exported program as ``name[axis]``, and those that were free before and are not any more."""
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    shapes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.name in names}
    kept, lost = [], []
    for given, (name, (_, shape)) in zip(names, table.items(), strict=True):
        for axis, size in enumerate(shape or ()):
            if not isinstance(size, int):
                fixed = isinstance(shapes[given][axis], int)
                (lost if fixed else kept).append("%s[%d]" % (name, axis))
    return kept, lost


def same(first, second):
    return all(
        a.shape == b.shape and torch.allclose(a.to(torch.float64), b.to(torch.float64), 1e-5, 1e-6, equal_nan=True)
        for a, b in zip(first, second, strict=True)
    )


def export_pytorch(request, folder, report):
    """Writes options.file (model.pt2) into the folder; the outputs are those of the program read back from it."""
    model, table = load_module(only(request["model"], ".py", folder), torch.device("cpu"))
    if any(dtype is None for dtype, _ in table.values()) or not table:
        raise Refused("unsupported", "torch.export takes tensors only, and at least one")
    given = inputs_of(request, folder, types_of(request, table), torch.device("cpu"))
    ordered = [given[request["input_names"].index(name)] for name in table]
    report(0, 3, "export")
    file = os.path.basename(request.get("options", {}).get("file", "model.pt2"))
    with torch.no_grad():
        expected = checked(flat(model(*ordered)), request["output_names"])
        try:
            program, reason = export(model, ordered, table)
        except Exception as error:
            raise Refused("unsupported", "torch.export cannot trace the model: %s" % summary(error)) from error
        report(1, 3, "save")
        torch.export.save(program, os.path.join(folder, file))
        report(2, 3, "check")
        program = torch.export.load(os.path.join(folder, file))
        outputs, seconds = timed(lambda: program.module()(*ordered), 0, torch.device("cpu"))
    if not same(expected, flat(outputs)):
        os.remove(os.path.join(folder, file))
        raise Refused("failed", "the exported program computes something else than model.py")
    kept, lost = still_free(program, table)
    return {"files": [file], "seconds": seconds, "free_axes": kept, "fixed_axes": lost, "reason": reason}, flat(outputs)


def run_many(request, folder, report):
    """Outputs of all cases in one list; each case says which are its own, or its error."""
    device, cases, outputs = device_of(request), request["options"]["cases"], []
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}

    def given(spec, dtype):
        if isinstance(spec, list):
            return [given(each, dtype) for each in spec]
        return None if spec is None else to_tensor(arrays["a%d" % spec], dtype, device)

    def kept(value):
        if isinstance(value, list):
            return [kept(each) for each in value]
        if value is not None:
            outputs.append(value)
        return None if value is None else len(outputs) - 1

    results = []
    for index, case in enumerate(cases):
        report(index, len(cases), case["model"])
        try:
            model, table = load_module(os.path.join(folder, case["model"]), device)
            values = [given(spec, dtype) for spec, (dtype, _) in zip(case["inputs"], table.values(), strict=True)]
            with torch.no_grad():
                result = model(*values)
            tuples = result if isinstance(result, tuple) else (result,)
            results.append({"ok": True, "outputs": [kept(value) for value in tuples]})
        except Exception as error:
            results.append({"ok": False, "error": "%s: %s" % (type(error).__name__, str(error)[:2000])})
    return {"cases": results}, outputs


# --- capturing a graph from source ------------------------------------------------------------------------------------


def import_source(path):
    """The uploaded model.py, its folder on the path so that it finds the files beside it."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    source = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = source
    spec.loader.exec_module(source)
    return source


def entries(source, named):
    """What may make the model: the entry that was named, else every module class of the file, the last one first."""
    if named:
        if not hasattr(source, named):
            raise Refused("invalid", "the source has no %s" % named)
        return [(named, getattr(source, named))]
    found = [
        (name, value)
        for name, value in vars(source).items()
        if isinstance(value, type) and issubclass(value, torch.nn.Module) and value.__module__ == source.__name__
    ]
    instances = [(name, value) for name, value in vars(source).items() if isinstance(value, torch.nn.Module)]
    if not found and not instances:
        raise Refused("invalid", "the source defines no nn.Module; name a function in the option 'entry'")
    return instances + found[::-1]


def weights_of(request, folder):
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        types = request["options"]["types"]
        return {
            name: to_tensor(file["a%d" % index], types[index], torch.device("cpu"))
            for index, name in enumerate(request["input_names"])
        }


def variants(weights):
    """The weights under their own keys, and without the prefixes that wrappers add."""
    yield weights
    for prefix in ("module.", "_orig_mod.", "model.", "net."):
        if weights and all(key.startswith(prefix) for key in weights):
            yield from variants({key[len(prefix) :]: value for key, value in weights.items()})


def filled(model, weights, aliases):
    """Load the weights; raises Refused with the keys that do not fit."""
    told = None
    for each in variants(weights):
        keys = model.state_dict().keys()
        each = {**each, **{key: each[aliases[key]] for key in keys if key not in each and aliases.get(key) in each}}
        try:
            model.load_state_dict(each, strict=True)
            return model
        except RuntimeError as error:
            told = told or str(error)
    raise Refused("invalid", "the weights do not fit the source: %s" % " ".join((told or "").split())[:1500])


def made(source, request, weights):
    """The model with its weights, in evaluation mode."""
    options, told = request["options"], None
    for name, entry in entries(source, options.get("entry")):
        try:
            model = entry if isinstance(entry, torch.nn.Module) else entry(**options.get("args", {}))
            if not isinstance(model, torch.nn.Module):
                raise Refused("invalid", "%s makes a %s, no nn.Module" % (name, type(model).__name__))
            return name, filled(model, weights, options.get("aliases", {})).eval()
        except Refused as refused:
            told = told or refused
        except TypeError as error:
            told = told or Refused("invalid", "%s cannot be made: %s; give the option 'args'" % (name, error))
    raise told


def arguments(model, shapes):
    """Names of the tensors that forward takes, in its order, and the shapes that were given for them."""
    names = [
        name
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if shapes and not set(shapes) & set(names) and len(shapes) <= len(names):
        return dict(zip(names, shapes.values(), strict=False))
    found = {}
    for name in names:
        parameter = inspect.signature(model.forward).parameters[name]
        if name in shapes:
            found[name] = shapes[name]
        elif parameter.default is parameter.empty:
            raise Refused("invalid", "the shape of input %s is not known; give it in the option 'input_shapes'" % name)
    return found


def drawn(shape, dtype, sizes):
    size = [sizes.setdefault(dim, 2 + len(sizes)) if not isinstance(dim, int) else dim for dim in shape]
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return torch.randn(size, generator=generator, dtype=torch.float32).to(dtype)
    return torch.randint(0, 2, size, generator=generator).to(dtype)


def examples(model, shapes, types):
    """Inputs that the model runs on: float32 where nobody told the type, else whole numbers or booleans."""
    free = [name for name in shapes if name not in types]
    told = None
    for choice in itertools.product((torch.float32, torch.int64, torch.bool), repeat=len(free)):
        chosen = {name: getattr(torch, word) for name, word in types.items()}
        chosen.update(zip(free, choice, strict=True))
        sizes = {}
        given = {name: drawn(shape, chosen[name], sizes) for name, shape in shapes.items()}
        try:
            with torch.no_grad():
                model(**given)
            return given
        except Exception as error:
            told = told or summary(error)
    raise Refused("failed", "the model does not run on inputs of these shapes: %s" % told)


def by_export(model, given, shapes, dynamic):
    """An exported program with the batch, and every axis without a number, free where the model allows it."""
    auto = torch.export.Dim.AUTO
    first = next(iter(shapes.values()), [])
    free = {}
    for name, shape in shapes.items():
        axes = {axis for axis, dim in enumerate(shape) if not isinstance(dim, int)}
        if dynamic and shape and first and shape[0] == first[0]:
            axes.add(0)
        free[name] = dict.fromkeys(axes, auto)
    wider = {
        name: tensor.repeat_interleave(2, 0) if 0 in free[name] and tensor.shape[0] == 1 else tensor
        for name, tensor in given.items()
    }
    if any(free.values()):
        try:
            return torch.export.export(model, (), kwargs=wider, dynamic_shapes=free), None
        except Exception as error:
            reason = summary(error)
    else:
        return torch.export.export(model, (), kwargs=given), None
    return torch.export.export(model, (), kwargs=given), reason


def capture_by(way, model, given, shapes, options, folder):
    """Saves the graph; the file's name and why the batch is not free, if it is not."""
    if way == "export":
        program, reason = by_export(model, given, shapes, options.get("dynamic", True))
        torch.export.save(program, os.path.join(folder, "captured.pt2"))
        return "captured.pt2", reason
    if way == "script":
        torch.jit.save(torch.jit.script(model), os.path.join(folder, "captured.pt"))
    else:
        traced = torch.jit.trace(model, example_kwarg_inputs=given, check_trace=False, strict=False)
        torch.jit.save(traced, os.path.join(folder, "captured.pt"))
    return "captured.pt", None


def capture_pytorch(request, folder, report):
    """Writes captured.pt2 or captured.pt. The model's own output on the example is checked against the graph's."""
    options = request["options"]
    torch.backends.mha.set_fastpath_enabled(False)
    report(0, 3, "source")
    source = import_source(os.path.join(folder, request["model"][0]))
    name, model = made(source, request, weights_of(request, folder))
    shapes = arguments(model, options.get("shapes", {}))
    given = examples(model, shapes, options.get("dtypes", {}))
    report(1, 3, "capture")
    ways = [options["capture"]] if options.get("capture") else ["export", "trace"]
    failed, types = {}, {key: str(value.dtype)[6:] for key, value in given.items()}
    for way in ways:
        try:
            with torch.no_grad():
                file, reason = capture_by(way, model, given, shapes, options, folder)
            return {
                "files": [file], "way": way, "entry": name, "failed": failed, "reason": reason, "types": types,
                "names": list(given),
            }, []  # fmt: skip
        except Exception as error:
            failed[way] = summary(error)[:500]
    told = "; ".join("%s: %s" % pair for pair in failed.items())
    raise Refused("unsupported", "PyTorch cannot take the model's graph (%s)" % told)


# --- running what was uploaded ----------------------------------------------------------------------------------------


def members(path):
    """The names inside a zip archive, without the folder that all lie in; none for other files."""
    if not zipfile.is_zipfile(path):
        return set()
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2] or name for name in archive.namelist()} | set(archive.namelist())


def stored_weights(path):
    """A state_dict; nothing of a pickle is run but what builds tensors."""
    with open(path, "rb") as file:
        head = file.read(9)
    if head[8:] == b"{":
        from safetensors.torch import load_file

        return load_file(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise Refused("unsupported", "the file pickles more than tensors, which PyTorch would have to run") from None
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            return found[key]
    return found


def uploaded(request, folder):
    """The uploaded graph, or the source's model with its weights: something to call."""
    paths = [os.path.join(folder, name) for name in request["model"]]
    for path in paths:
        inside = members(path)
        if inside & {"serialized_exported_program.json", "models/model.json", "archive_format"}:
            return torch.export.load(path).module()
        if "constants.pkl" in inside and any(name.startswith("code/") for name in inside):
            return torch.jit.load(path, map_location="cpu")
    sources = [path for path in paths if path.endswith(".py")]
    if len(sources) != 1 or len(paths) < 2:
        raise Refused("unsupported", "PyTorch loads no such file by itself")
    weights = next(path for path in paths if path not in sources)
    return made(import_source(sources[0]), request, stored_weights(weights))[1]


def leaves(result):
    """The tensors of an output in their order, however they are nested."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(result) if leaf is not None]


def run_source(request, folder, report):
    device = device_of(request)
    torch.backends.mha.set_fastpath_enabled(False)
    report(0, 2, "load")
    model = uploaded(request, folder)
    if not isinstance(model, torch.fx.GraphModule):  # a program's module has no modes
        model.eval()
    with np.load(os.path.join(folder, request["inputs"]), allow_pickle=False) as file:
        given = [torch.from_numpy(file["a%d" % index]) for index in range(len(request["input_names"]))]
    report(1, 2, "run")
    with torch.no_grad():
        result, seconds = timed(lambda: model.to(device)(*given), 0, device)
    outputs = [value if isinstance(value, torch.Tensor) else torch.tensor(value) for value in leaves(result)]
    return {"seconds": seconds}, checked(outputs, request["output_names"])


ACTIONS = {
    "run:pytorch": run_pytorch,
    "run:pt2": run_pt2,
    "run:many": run_many,
    "run:source": run_source,
    "export:pytorch": export_pytorch,
    "capture:pytorch": capture_pytorch,
}


def reporter():
    """A function that writes progress to descriptor 3, or nowhere when that is closed."""
    try:
        os.fstat(3)
    except OSError:
        return lambda done, total, what: None

    def report(done, total, what):
        line = json.dumps({"event": "progress", "done": done, "total": total, "what": what}) + "\n"
        os.write(3, line.encode("utf-8"))

    return report


def answer(folder, report):
    with open(os.path.join(folder, "request.json"), "rb") as file:
        request = json.loads(file.read().decode("utf-8"))
    if request.get("protocol") != PROTOCOL or request.get("action") not in ACTIONS:
        raise Refused("invalid", "this tool speaks protocol %d and does %s" % (PROTOCOL, ", ".join(sorted(ACTIONS))))
    threads = request.get("options", {}).get("threads")
    if threads:
        torch.set_num_threads(threads)
    result, outputs = ACTIONS[request["action"]](request, folder, report)
    arrays = [to_array(output) for output in outputs]
    np.savez(os.path.join(folder, "out.npz"), **{"a%d" % index: array for index, (array, _) in enumerate(arrays)})
    result.update(ok=True, outputs="out.npz", output_names=request["output_names"])
    result["output_types"] = [name for _, name in arrays]
    return result


def main(folder):
    try:
        result = answer(folder, reporter())
    except Refused as refused:
        result = {"ok": False, "error": {"kind": refused.kind, "message": str(refused)}}
    except Exception as error:
        traceback.print_exc()
        result = {"ok": False, "error": {"kind": "failed", "message": "%s: %s" % (type(error).__name__, error)}}
    result["versions"] = {"torch": torch.__version__, "numpy": np.__version__, "python": sys.version.split()[0]}
    with open(os.path.join(folder, "result.json"), "wb") as file:
        file.write(json.dumps(result).encode("utf-8"))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(max([main(folder) for folder in sys.argv[1:]]))
