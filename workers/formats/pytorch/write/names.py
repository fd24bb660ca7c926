"""Identifiers: what the variables, submodules and the class of a written module are called."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from workers.hub.naming import unique

# Attributes that torch.nn.Module has itself; a submodule of that name would hide one.
MODULE_ATTRIBUTES = frozenset({
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu",
    "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state",
    "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook",
    "register_buffer", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad", "clear", "items", "keys", "pop", "update", "values",
})  # fmt: skip

# Names that mean something else inside `forward`; l, O and I are hard to tell from digits.
TAKEN = frozenset(dir(builtins)) | frozenset({"self", "torch", "nn", "F", "math", "Tensor", "Path", "l", "O", "I"})

# What is longer loses words at its beginning: the end tells values of one layer apart.
LONGEST = 40


def identifier(name: str, fallback: str = "x") -> str:
    """``name`` as a Python identifier: other characters become ``_``; never empty, never a keyword, never too long."""
    text = re.sub(r"_+", "_", re.sub(r"[^0-9A-Za-z_]", "_", name)).strip("_")
    while len(text) > LONGEST and "_" in text:
        text = text.partition("_")[2]
    text = text[-LONGEST:]
    if not text:
        return fallback
    if text[0].isdigit():
        text = f"{fallback}_{text}"
    return f"{text}_" if keyword.iskeyword(text) or keyword.issoftkeyword(text) else text


def class_name(name: str) -> str:
    """``bvlc_googlenet`` -> ``BvlcGooglenet``; capitals inside a word stay."""
    words = [word for word in re.split(r"[^0-9A-Za-z]+", name) if word]
    text = "".join(word[0].upper() + word[1:] for word in words)
    text = text[-60:]
    if not text or text[0].isdigit():
        text = f"Model{text}"
    return f"{text}Net" if text in TAKEN else text


def components(name: str, op: str) -> tuple[str, ...]:
    """A layer's name as a path: ``/layer1/layer1.0/conv1/Conv`` of a PyTorch export is ``layer1.0.conv1``.

    ``/`` and ``.`` separate; a component that repeats its parent drops it; a last one that only says the operator goes.
    """
    parts: list[str] = []
    before = ""
    for part in name.split("/"):
        rest = part[len(before) + 1 :] if before and part.startswith(f"{before}.") else part
        before = part
        parts += [piece for piece in rest.split(".") if piece]
    if len(parts) > 1 and re.fullmatch(rf"{op}(_\d+)?", parts[-1]):
        parts.pop()
    return tuple(parts) or (op.lower(),)


class Wish(NamedTuple):
    """Where a member wants to be. ``word`` goes in front of a component that begins with a digit."""

    path: tuple[str, ...]
    word: str
    module: bool


class Tree:
    """Gives every member a path of attributes, nested where several members share a parent.

    ``self.conv1``, ``self.inception_3a.pool_proj``; numbers become keys, ``self.layer1["0"].conv1``, so that the
    state dict has the source's own names.
    """

    def __init__(self, wishes: Sequence[Wish]) -> None:
        self.paths: list[tuple[str, ...]] = []
        self._leaves = {wish.path for wish in wishes}
        self._inside = Counter(wish.path[:depth] for wish in wishes for depth in range(len(wish.path)))
        self._taken: dict[tuple[str, ...], set[str]] = {}
        self._containers: dict[tuple[str, ...], tuple[str, ...]] = {(): ()}
        for wish in wishes:
            depth = self._nesting(wish.path)
            parent = self._container(wish.path[:depth])
            rest = "_".join(wish.path[depth:])
            self.paths.append((*parent, self._free(rest, wish.word, parent, wish.module)))
        self.containers = [path for path in self._containers.values() if path]

    def _nesting(self, path: tuple[str, ...]) -> int:
        """How many components of ``path`` are modules around it: numbers, and those with two members or more inside."""
        depth = 0
        while depth < len(path) - 1:
            outer = path[: depth + 1]
            if outer in self._leaves or (self._inside[outer] < 2 and not outer[-1].isdecimal()):
                break
            depth += 1
        return depth

    def _container(self, source: tuple[str, ...]) -> tuple[str, ...]:
        if source not in self._containers:
            parent = self._container(source[:-1])
            self._containers[source] = (*parent, self._free(source[-1], "layer", parent, True))
        return self._containers[source]

    def _free(self, name: str, word: str, parent: tuple[str, ...], module: bool) -> str:
        used = self._taken.setdefault(parent, set(MODULE_ATTRIBUTES))
        if parent and module and name.isdecimal() and name not in used:
            used.add(name)
            return name
        return unique(identifier(name, word), used)

    def numbered(self, container: tuple[str, ...]) -> bool:
        """Whether ``container`` has children that are numbers and must be a ModuleDict."""
        depth = len(container)
        inside = (*self.paths, *self.containers)
        return any(len(path) > depth and path[:depth] == container and path[depth].isdecimal() for path in inside)


def access(path: Sequence[str]) -> str:
    """The expression that reaches an attribute path from ``self``."""
    return "self" + "".join(f'["{part}"]' if part.isdecimal() else f".{part}" for part in path)
