"""Whole models that TensorFlow's converter makes: what they are about is in their signatures, variables and tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

F = tf.float32


class Two(tf.Module):
    """Two entry points, one of which reads a variable."""

    def __init__(self) -> None:
        self.scale = tf.Variable([1.0, 2.0, 3.0])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], F, "x")])
    def scaled(self, x: Any) -> dict[str, Any]:
        return {"y": x * self.scale}

    @tf.function(input_signature=[tf.TensorSpec([2, 2], F, "a"), tf.TensorSpec([2, 2], F, "b")])
    def multiplied(self, a: Any, b: Any) -> dict[str, Any]:
        return {"c": a @ b}


class Counter(tf.Module):
    """A state that every run changes."""

    def __init__(self) -> None:
        self.total = tf.Variable([0.0, 0.0])

    @tf.function(input_signature=[tf.TensorSpec([2], F, "x")])
    def add(self, x: Any) -> Any:
        return self.total.assign_add(x)


def from_module(module: tf.Module, *names: str) -> bytes:
    functions = [getattr(module, name).get_concrete_function() for name in names]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, dict(zip(names, functions, strict=True)))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(names))
        converter.experimental_enable_resource_variables = True
        return bytes(converter.convert())


class Tables(tf.Module):
    """Numbers to words and words to numbers again."""

    def __init__(self) -> None:
        words = ["low", "high", "top"]
        self.words = table(tf.constant([1, 3, 5], tf.int64), tf.constant(words), "none")
        self.numbers = table(tf.constant(words[1:]), tf.constant([7, 8], tf.int64), -1)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.int64, "x")])
    def looked_up(self, x: Any) -> Any:
        return self.numbers.lookup(self.words.lookup(x)), self.numbers.size()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "x")])
    def words_of(self, x: Any) -> Any:
        return self.words.lookup(x)


def table(keys: Any, values: Any, default: Any) -> Any:
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def flex() -> bytes:
    function = tf.function(lambda x: tf.linalg.inv(x), input_signature=[tf.TensorSpec([3, 3], F)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return bytes(converter.convert())


@dataclass(frozen=True)
class Whole:
    """A model that is made as a whole; the rest as in Case."""

    model: Callable[[], bytes]
    span: tuple[float, float] = (-2.0, 2.0)
    whole: tuple[int, int] = (0, 7)
    values: Mapping[int, Sequence[Any]] = field(default_factory=dict)


WHOLE: dict[str, Whole] = {"hashtables": Whole(lambda: from_module(Tables(), "looked_up"))}


def cut_batch() -> bytes:
    """Sizes written into a slice: the interpreter cuts another batch down to one row without a word."""
    function = tf.function(lambda x: tf.slice(x, [0, 0], [1, 4]) * 2.0, input_signature=[tf.TensorSpec([1, 5], F)])
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert())


# Files that tests read without a recorded run.
MODELS: dict[str, Callable[[], bytes]] = {
    "two": lambda: from_module(Two(), "scaled", "multiplied"),
    "counter": lambda: from_module(Counter(), "add"),
    "flex": flex,
    "words": lambda: from_module(Tables(), "words_of"),
    "cut_batch": cut_batch,
}
