"""The text of ``model.py``, put together from what the writing functions left in the NetWriter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.layout import WIDTH, wrap
from workers.formats.pytorch.write.library import closure
from workers.formats.pytorch.write.lifetime import release
from workers.formats.pytorch.write.names import Tree, Wish, access, class_name
from workers.formats.pytorch.write.net import TOKEN, NetWriter
from workers.formats.pytorch.write.types import TYPES
from workers.formats.pytorch.write.weights import Weight
from workers.hub.naming import unique
from workers.hub.node import shape_of

WEIGHTS = "model.safetensors"

# What exporters call every graph.
GENERIC = frozenset(
    {"main_graph", "torch_jit", "torch-jit-export", "graph", "model", "tf2onnx", "mxnet_converted_model"}
)


@dataclass(frozen=True, slots=True)
class Source:
    """The finished text, the state dict that belongs to it, and what ``forward`` calls its inputs and outputs."""

    text: str
    state: dict[str, Weight]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def assemble(net: NetWriter, title: str, origin: str) -> Source:
    """``title`` names the class; ``origin`` says in the docstring what the model was converted from."""
    tree = Tree([Wish(member.path, member.word, member.kind == "module") for member in net.members])
    inputs = tuple(net.plain(value) for value in net.graph.inputs)
    results = [net.plain(value) for value in net.graph.outputs]
    _rename(net, results)
    name = class_name("model" if title in GENERIC else title)
    body = [
        "",
        *_inputs_table(net, inputs),
        *_class(net, tree, name, inputs, results),
        "",
        "",
        *_loader(name, has_weights=any(member.state for member in net.members)),
    ]
    for helper in closure(net.helpers):
        body += ["", "", *helper.text.splitlines()]
    names = {node.id for node in ast.walk(ast.parse("\n".join(body))) if isinstance(node, ast.Name)}
    lines = [*_docstring(net, name, origin, inputs), "", *_imports(names), *body]
    return Source("\n".join(lines) + "\n", _state(net, tree), inputs, _output_names(net, results))


def _rename(net: NetWriter, results: list[str]) -> None:
    """Call variables that were taken over in place after the last value that they hold."""
    names = {}
    for variable, name in net.renamed.items():
        names[variable] = net.fresh(name)
    if not names:
        return
    # A word that is neither an attribute, nor text, nor a keyword argument.
    word = re.compile(r'(?<![\w."])([A-Za-z_]\w*)(?![\w"]|=[^=])')

    def rename(line: str) -> str:
        return word.sub(lambda match: names.get(match.group(1), match.group(1)), line)

    net.statements = [(depth, rename(statement)) for depth, statement in net.statements]
    results[:] = [rename(result) for result in results]


def _state(net: NetWriter, tree: Tree) -> dict[str, Weight]:
    state = {}
    for member, path in zip(net.members, tree.paths, strict=True):
        for name, weight in member.state.items():
            state[".".join((*path, name) if name else path)] = weight
    return state


def _output_names(net: NetWriter, results: Sequence[str]) -> tuple[str, ...]:
    """What the outputs are called: the returned variables, made distinct."""
    taken: set[str] = set()
    return tuple(
        unique(result if result.isidentifier() else value.name or "output", taken)
        for value, result in zip(net.graph.outputs, results, strict=True)
    )


def describe(value: ir.Value) -> str:
    """``float32 [batch, 3, 224, 224]``"""
    shape = shape_of(value)
    dims = "" if shape is None else f" [{', '.join('?' if dim is None else str(dim) for dim in shape)}]"
    dtype = TYPES[value.dtype].torch if value.dtype in TYPES else "tensor"
    return f"{'' if isinstance(value.type, ir.TensorType | None) else 'list of '}{dtype}{dims}"


def _docstring(net: NetWriter, name: str, origin: str, inputs: Sequence[str]) -> list[str]:
    lines = [f'"""{name}, {origin}.', ""]
    lines += [f"{each}: {describe(value)}" for each, value in zip(inputs, net.graph.inputs, strict=True)]
    lines += [f"-> {value.name}: {describe(value)}" for value in net.graph.outputs]
    clean = [line.replace("\\", "/").replace('"""', "'''") if place else line for place, line in enumerate(lines)]
    return [*(line[:WIDTH] for line in clean), '"""']


def _imports(names: Iterable[str]) -> list[str]:
    """Sorted as isort does: the standard library, a blank line, the packages."""
    used = set(names)
    standard = [f"import {module}" for module in ("itertools", "math") if module in used]
    standard += ["from collections.abc import Callable"] if "Callable" in used else []
    if "Path" in used:
        standard.append("from pathlib import Path")
    packages = ["import torch"] if "torch" in used else []
    packages += ["import torch.nn.functional as F"] if "F" in used else []
    packages += ["from safetensors.torch import load_file"] if "load_file" in used else []
    packages.append(f"from torch import {'Tensor, ' if 'Tensor' in used else ''}nn")
    return [*standard, "", *packages] if standard else packages


def _inputs_table(net: NetWriter, inputs: Sequence[str]) -> list[str]:
    """``INPUTS``: element type and shape of each input, free axes by name, for exporters and samplers."""
    lines = ["# Element type and shape of each input; an axis with a name, or None, is free."]
    rows = []
    for name, value in zip(inputs, net.graph.inputs, strict=True):
        shape = shape_of(value)
        dtype = f'"{TYPES[value.dtype].torch}"' if value.dtype in TYPES else "None"
        dims = [_dim(dim) for dim in shape or ()]
        rows.append(f'"{name}": ({dtype}, {"None" if shape is None else text.tuple_of(dims) if dims else "()"})')
    table = wrap(f"INPUTS = {{{', '.join(rows)}}}")
    return [*lines, *table, "", ""]


def _dim(dim: int | str | None) -> str:
    if dim is None or isinstance(dim, int):
        return str(dim)
    return '"' + dim.replace("\\", "/").replace('"', "'") + '"'


def _class(net: NetWriter, tree: Tree, name: str, inputs: Sequence[str], results: Sequence[str]) -> list[str]:
    lines = [f"class {name}(nn.Module):", "    def __init__(self) -> None:", "        super().__init__()"]
    for container in tree.containers:
        kind = "nn.ModuleDict()" if tree.numbered(container) else "nn.Module()"
        lines.append(f"        {access(container)} = {kind}")
    for member, path in zip(net.members, tree.paths, strict=True):
        lines += wrap(_member(member.kind, path, member.make), 8)
    parameters = "".join(
        f", {each}: {_annotation(value)}" for each, value in zip(inputs, net.graph.inputs, strict=True)
    )
    returned = [_annotation(value) for value in net.graph.outputs]
    result = returned[0] if len(returned) == 1 else f"tuple[{', '.join(returned)}]" if returned else "None"
    if len(returned) > 4 and set(returned) == {"Tensor"}:
        result = "tuple[Tensor, ...]"
    lines += ["", *wrap(f"def forward(self{parameters}) -> {result}:", 4)]

    def resolve(line: str) -> str:
        return TOKEN.sub(lambda match: access(tree.paths[int(match.group(1))]), line)

    end = f"return {resolve(', '.join(results))}" if results else "return None"
    statements = [(depth, resolve(statement)) for depth, statement in net.statements]
    for depth, statement in release([*statements, (0, end)], net.sizes | set(inputs)):
        lines += wrap(statement, 8 + 4 * depth)
    return lines


def _member(kind: str, path: Sequence[str], make: str) -> str:
    if kind == "module":
        return f"{access(path)} = {make}"
    if kind == "parameter":
        return f"{access(path)} = nn.Parameter({make})"
    return f'{access(path[:-1])}.register_buffer("{path[-1]}", {make})'


def _annotation(value: ir.Value) -> str:
    if isinstance(value.type, ir.OptionalType):
        inner = "list[Tensor]" if isinstance(value.type.elem_type, ir.SequenceType) else "Tensor"
        return f"{inner} | None"
    return "list[Tensor]" if isinstance(value.type, ir.SequenceType) else "Tensor"


def _loader(name: str, *, has_weights: bool) -> list[str]:
    if not has_weights:
        return [
            f"def load() -> {name}:",
            '    """The module, in evaluation mode; it has no weights."""',
            f"    return {name}().eval()",
        ]
    return [
        f"def load(folder: str | Path = Path(__file__).parent) -> {name}:",
        f'    """The module with the weights of ``{WEIGHTS}`` in ``folder``, in evaluation mode."""',
        f"    model = {name}()",
        f'    model.load_state_dict(load_file(Path(folder) / "{WEIGHTS}"))',
        "    return model.eval()",
    ]
