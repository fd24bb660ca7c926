"""The two registries that every format fills: layer type -> reading function, ONNX operator -> writing function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar, cast

from workers.formats.custom import active
from workers.hub.node import Node

Rule = TypeVar("Rule", bound=Callable[..., Any])
Condition = Callable[[Node], bool | str]


class Reads(Generic[Rule]):
    """Layer type -> the one function that reads it, or the reason why nothing can.

    Used as a decorator, ``@reads("Pooling")``; ``reads.refuse("Python", "runs arbitrary user code")`` names a refusal.
    ``@reads.by_users`` marks the function that reads a layer by one of the user's: it is a rule with the call in front.
    """

    def __init__(self, format: str) -> None:
        self.format = format
        self.rules: dict[str, Rule] = {}
        self.refused: dict[str, str] = {}
        self.users: Callable[..., Any] | None = None

    def by_users(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """``rule(call, ...)`` is asked for layers that a function of the upload stands for."""
        self.users = rule
        return rule

    def __call__(self, *types: str) -> Callable[[Rule], Rule]:
        def add(rule: Rule) -> Rule:
            for type_ in types:
                self._claim(type_)
                self.rules[type_] = rule
            return rule

        return add

    def refuse(self, reason: str, *types: str) -> None:
        """Record that layers of these types are known and cannot be converted, and why."""
        for type_ in types:
            self._claim(type_)
            self.refused[type_] = reason

    def _claim(self, type_: str) -> None:
        if type_ in self.rules or type_ in self.refused:
            raise ValueError(f"{self.format}: {type_} has two rules")

    def find(self, type_: str, layer: str = "") -> Rule | None:
        """The rule for a layer of this type and name: the user's own function for it, or ours, or none."""
        return self.of_user(type_, layer) or self.rules.get(type_)

    def of_user(self, type_: str, layer: str) -> Rule | None:
        """The user's own function for a layer, as a rule."""
        call = active().find(type_, layer)
        return None if call is None or self.users is None else cast("Rule", partial(self.users, call))

    def why_not(self, type_: str) -> str:
        """Why ``type_`` is not read, in words for the user."""
        return self.refused.get(type_, f"onnxhub's {self.format} reader does not know this layer type")

    def coverage(self) -> dict[str, str]:
        """Every known type; an empty string means it is read, anything else is the reason of its refusal."""
        return dict(sorted({**dict.fromkeys(self.rules, ""), **self.refused}.items()))


class Writes(Generic[Rule]):
    """ONNX operator -> the one function that writes it, with the condition under which it can.

    ``@writes("MaxPool", only_if=lambda n: n.rank == 4 or "Caffe pools over two spatial axes only")``: the condition
    returns true, or the reason that the user will read. Operators of other domains are keyed ``domain::Op``.
    """

    def __init__(self, format: str) -> None:
        self.format = format
        self.rules: dict[str, Rule] = {}
        self.conditions: dict[str, Condition] = {}
        self.refused: dict[str, str] = {}

    def __call__(self, *types: str, only_if: Condition | None = None) -> Callable[[Rule], Rule]:
        def add(rule: Rule) -> Rule:
            for type_ in types:
                if type_ in self.rules or type_ in self.refused:
                    raise ValueError(f"{self.format}: {type_} has two rules")
                self.rules[type_] = rule
                if only_if is not None:
                    self.conditions[type_] = only_if
            return rule

        return add

    def refuse(self, reason: str, *types: str) -> None:
        for type_ in types:
            if type_ in self.rules or type_ in self.refused:
                raise ValueError(f"{self.format}: {type_} has two rules")
            self.refused[type_] = reason

    def why_not(self, node: Node) -> str | None:
        """None when ``node`` can be written as it stands, else the reason in words."""
        if node.key not in self.rules:
            return self.refused.get(node.key, f"{self.format} has no counterpart that onnxhub writes")
        condition = self.conditions.get(node.key)
        verdict = True if condition is None else condition(node)
        if verdict is True:
            return None
        return verdict or f"{self.format} cannot express this form of {node.key}"

    def of(self, node: Node) -> Rule:
        return self.rules[node.key]

    def coverage(self) -> dict[str, str]:
        return dict(sorted({**dict.fromkeys(self.rules, ""), **self.refused}.items()))
