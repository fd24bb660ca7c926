"""Where in a file the network is: the root, a field of a checkpoint, or deeper, ``protos.rnn``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workers.errors import InvalidOptions, MissingFile
from workers.formats.torch7.objects import Object, Storage, Table, Tensor

# Keys under which checkpoints keep the network, the likelier first; then whatever comes first.
FAVOURITES = ("model", "net", "network", "rnn", "protos", "checkpoint", "generator", "netG", "modelG", "G", "model_G",
              "encoder", "cnn", "mlp", "module", "bestmodel", "best_model", 1)  # fmt: skip
# What lies beside or inside networks and is none; the averaged copies of a network come after it.
_NOT = re.compile(
    r"(grad|fgrad|finput|optim|config|opt$|opts$|_type$|output$|criterion|crit$|loss|train$|clones)", re.IGNORECASE
)
_CRITERION = re.compile(r"Criterion|nn\.L1Cost\Z|nn\.CriterionTable\Z")
_MODULE = re.compile(r"(nn|cudnn|inn|ccn2|fbnn|nnx|rnn|dpnn|nngraph)\.")
_WEIGHTS = ("modules", "weight", "forwardnodes", "module", "running_mean")
DEPTH = 6


@dataclass(frozen=True, slots=True)
class Found:
    """A network and the path to it, '' for the root."""

    module: Object
    path: str


def is_module(value: Any, known: frozenset[str]) -> bool:
    """Whether an object is a network's module: of a known class, or one with modules or weights in it."""
    if not isinstance(value, Object) or _CRITERION.search(value.class_name) or value.class_name == "nngraph.Node":
        return False
    fields = value.fields.entries
    return value.class_name in known or any(key in fields for key in _WEIGHTS) or (
        _MODULE.match(value.class_name) is not None and "output" in fields
    )  # fmt: skip


def networks(root: Any, known: frozenset[str]) -> list[Found]:
    """The outermost modules of a file, the likeliest network first."""
    found: list[Found] = []
    level: list[tuple[Any, str]] = [(root, "")]
    seen: set[int] = set()
    for _ in range(DEPTH):
        following: list[tuple[Any, str]] = []
        for value, path in level:
            if id(value) in seen:
                continue
            seen.add(id(value))
            if is_module(value, known):
                found.append(Found(value, path))
            else:
                following += [(item, f"{path}.{key}" if path else str(key)) for key, item in _inside(value)]
        level = following
    return found


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """The entries worth looking into, likely ones first."""
    entries = value.fields.entries if isinstance(value, Object) else value.entries if isinstance(value, Table) else {}
    kept = [
        (key, item) for key, item in entries.items()
        if isinstance(key, str | int) and isinstance(item, Object | Table) and not _NOT.search(str(key))
    ]  # fmt: skip
    order = {key: place for place, key in enumerate(FAVOURITES)}
    numbered = [(order.get(key, len(order)), place) for place, (key, _) in enumerate(kept)]
    return [kept[place] for _, place in sorted(numbered)]


def find(root: Any, file: str, known: frozenset[str], wanted: str | None = None) -> tuple[Found, list[Found]]:
    """The network at ``wanted``, or the likeliest, and the others that the file holds.

    Raises MissingFile when there is none, InvalidOptions when nothing lies at ``wanted``.
    """
    every = networks(root, known)
    if wanted is not None:
        value = at(root, wanted)
        if not isinstance(value, Object) or not is_module(value, known):
            paths = ", ".join(repr(found.path) for found in every) or "none"
            raise InvalidOptions(
                f"the option 'model_path_in_file' says {wanted!r}, where {file!r} has no network",
                hint=f"Networks lie at: {paths}.",
            )
        chosen = Found(value, wanted)
    elif every:
        chosen = every[0]
    else:
        raise MissingFile(
            f"{file!r} holds no network: it is {in_words(root)}", file=file,
            hint="Save the network itself, torch.save('model.t7', model), or a table with the network in it.",
        )  # fmt: skip
    return chosen, [found for found in every if found.module is not chosen.module]


def at(root: Any, path: str) -> Any:
    """What lies at a path like ``protos.rnn`` or ``1``; None when nothing does."""
    value = root
    for key in path.split(".") if path else []:
        fields = value.fields.entries if isinstance(value, Object) else getattr(value, "entries", {})
        value = fields.get(key, fields.get(int(key)) if key.isdecimal() else None)
    return value


def in_words(root: Any) -> str:
    """What an object is, for who expected a network."""
    if isinstance(root, Tensor):
        return f"a {root.class_name} of shape {list(root.shape)}"
    if isinstance(root, Storage):
        return f"a {root.class_name}"
    if isinstance(root, Object):
        return f"a {root.class_name}"
    if isinstance(root, Table):
        keys = [str(key) for key in root.entries if isinstance(key, str | int)][:8]
        tensors = sum(isinstance(value, Tensor) for value in root.entries.values())
        what = f"a table of {len(root.entries)} entries"
        return what + (f" ({', '.join(keys)})" if keys else "") + (f", {tensors} of them tensors" if tensors else "")
    return "nothing" if root is None else f"a {type(root).__name__}"
