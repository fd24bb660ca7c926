"""Record the operators of read_table.py in PyTorch: python record_operators.py FOLDER [TAG].

Needs torch and numpy only. Every line is captured by tracing, scripting and exporting, as far as PyTorch can; each
file with its inputs and outputs for two batch sizes goes into FOLDER/<way>TAG.tar.xz. Run it where
read_table.py is, in PyTorch 1.4 or later.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
import warnings
import zipfile
from importlib import util
from pathlib import Path

import numpy as np
import torch
from read_table import TABLE

WAYS = ("trace", "script", "export")


def drawn(spec, batch, generator):
    """One input: ``x:2,3,4:int64<5`` -> (name, tensor); 2 in front of the shape stands for the batch."""
    name, shape, *kind = spec.split(":")
    sizes = [int(size) for size in shape.split(",")]
    if name in "xyimp" and len(sizes) > 1 and sizes[0] == 2:
        sizes[0] = batch
    word = kind[0] if kind else "float32"
    if word.startswith("int64"):
        return name, torch.randint(0, int(word.split("<")[1]), sizes, generator=generator)
    if word == "bool":
        found = torch.rand(sizes, generator=generator) > 0.4
        found[..., 0] = True
        return name, found
    found = torch.randn(sizes, generator=generator)
    return name, found.abs().clamp(0.05, 0.95) if word == "positive" else found


def module_of(name, body, names, folder):
    """A module class in a file of its own: scripting reads its source."""
    text = (
        "import torch\nimport torch.nn.functional as F\nclass M(torch.nn.Module):\n"
        f"    def forward(self, {', '.join(names)}):\n        return {body}\n"
    )
    path = Path(folder) / f"op_{name.replace('-', '_')}.py"
    path.write_text(text)
    spec = util.spec_from_file_location(path.stem, path)
    source = util.module_from_spec(spec)
    sys.modules[path.stem] = source
    spec.loader.exec_module(source)
    return source.M().eval()


def flat(result):
    if isinstance(result, torch.Tensor):
        return [result]
    return [item for each in result if each is not None for item in flat(each)]


def captured(way, model, inputs):
    buffer = io.BytesIO()
    copies = {name: tensor.clone() for name, tensor in inputs.items()}
    if way == "export":
        if not hasattr(torch.export, "Dim"):  # torch 2.1
            torch.export.save(torch.export.export(model, tuple(copies.values())), buffer)
            return buffer.getvalue()
        auto = torch.export.Dim.AUTO
        free = {n: {0: auto} if n in "xyimp" and t.dim() > 1 and t.shape[0] == 2 else {} for n, t in copies.items()}
        torch.export.save(torch.export.export(model, (), kwargs=copies, dynamic_shapes=free), buffer)
    elif way == "trace":
        traced = torch.jit.trace(model, tuple(copies.values()), check_trace=False)
        torch.jit.save(traced, buffer)
    else:
        torch.jit.save(torch.jit.script(model), buffer)
    return buffer.getvalue()


def loaded(way, data):
    """The saved file is what users run: a traced number, for one, has become a tensor in it."""
    if way == "export":
        return torch.export.load(io.BytesIO(data)).module()
    return torch.jit.load(io.BytesIO(data)).eval()


def repacked(data):
    """The archive without what leaks paths and needs room: source locations and stack traces."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            if not info.filename.endswith((".debug_pkl", "sample_inputs/model.pt", "serialization_id")):
                new.writestr(zipfile.ZipInfo(info.filename), old.read(info))
    return out.getvalue()


def record(way, name, out, folder):
    body, inputs = TABLE[name]
    made = [[drawn(s, batch, torch.Generator().manual_seed(batch)) for s in inputs.split()] for batch in (2, 3)]
    model = module_of(name, body, [n for n, _ in made[0]], folder)
    data = captured(way, model, dict(made[0]))
    model = loaded(way, data)
    arrays = {}
    for index, given in enumerate(made):
        with torch.no_grad():
            try:
                copies = {name: tensor.clone() for name, tensor in given}
                positional = way == "export" and not hasattr(torch.export, "Dim")
                result = flat(model(*copies.values()) if positional else model(**copies))
            except RuntimeError:
                if index == 0:
                    raise
                continue
        arrays.update({f"{index}_i_{n}": tensor.numpy() for n, tensor in given})
        arrays.update({f"{index}_o_{k}": value.numpy() for k, value in enumerate(result)})
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    add(out, name + (".pt2" if way == "export" else ".pt"), repacked(data))
    add(out, name + ".npz", buffer.getvalue())


def add(out, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))


def main(target, tag=""):
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            failed = []
            with tarfile.open(Path(target) / f"{way}{tag}.tar.xz", "w:xz", preset=9) as out:
                for name in TABLE:
                    try:
                        record(way, name, out, folder)
                    except Exception as error:
                        failed.append(f"{name} ({type(error).__name__}: {str(error).strip()[:80]})")
            print(f"{way}: {len(TABLE) - len(failed)} of {len(TABLE)}; not: {'; '.join(failed)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
