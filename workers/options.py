"""What a user may ask of a conversion: the ``options`` field of the API and ``options.json`` of the command line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Dim = Annotated[int, Field(ge=1, le=2**31 - 1)] | str | None


class Tolerance(BaseModel):
    """An element passes when ``|a - b| <= atol + rtol * max|a|``; the whole tensor needs this cosine similarity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rtol: FiniteFloat = Field(1e-4, ge=0, le=1)
    atol: FiniteFloat = Field(1e-5, ge=0, le=1e6)
    cosine: FiniteFloat = Field(0.99999, ge=-1, le=1)


class Options(BaseModel):
    """All keys are optional; unknown keys are refused so that a misspelt one is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_shapes: dict[str, list[Dim]] = Field({}, description="Shape by input name; a string or null is a free axis.")
    input_dtypes: dict[str, str] = Field({}, description="Element type by input name, e.g. int64.")
    inputs: list[str] = Field([], description="Cut the graph here: tensors that become the inputs.")
    outputs: list[str] = Field([], description="Keep only what these tensors need.")
    signature: str | None = Field(None, description="Models with several entry points: the signature to convert.")
    constants: dict[str, bool | int | float | list[bool | int | float]] = Field(
        {}, description="Values of inputs that become constants, e.g. {'is_training:0': false}."
    )
    dequantize: bool = Field(
        False, description="Quantised models: compute in floats everywhere, inputs and outputs included."
    )
    precision: Literal["float16"] | None = Field(
        None, description="Compute in half precision, except where values go beyond it; inputs and outputs stay."
    )
    weights: Literal["int8"] | None = Field(
        None, description="Large weights as eight-bit integers, with a scale for each output channel."
    )
    io_layout: dict[str, str] = Field(
        {}, description="Axes of inputs and outputs by name, in another order than the model's NCW, NCHW or NCDHW."
    )
    dynamic_batch: bool = Field(True, description="Leave the batch axis free where the model allows it.")
    opset: int | None = Field(
        None, ge=9, le=30, description="Opset of a written ONNX file; the hub itself is opset 21."
    )
    external_data: bool | None = Field(
        None, description="Weights of a written ONNX file beside it; default: over 1.5 GB."
    )
    entry: str | None = Field(None, description="PyTorch: the class or function of model.py that makes the model.")
    args: dict[str, Any] = Field({}, description="PyTorch: what the entry of model.py is called with.")
    capture: Literal["export", "trace", "script"] | None = Field(
        None, description="PyTorch source: how its graph is taken; default: by export, else by tracing."
    )
    phase: Literal["TRAIN", "TEST"] = Field("TEST", description="Caffe: the phase whose layers are kept.")
    stages: list[str] = Field([], description="Caffe: the stages whose layers are kept.")
    time_steps: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Steps of a sequence, where the files do not say or say otherwise."
    )
    decode: bool = Field(
        False, description="Detectors: boxes, scores and non-maximum suppression instead of the heads' tensors."
    )
    model_path_in_file: str | None = Field(
        None, max_length=1000, description="Torch7: where in the file the network lies, e.g. model or protos.rnn."
    )
    index_inputs_are_one_based: bool = Field(
        True, description="Torch7: indices in inputs count from 1, as in Lua; false lets them count from 0."
    )
    tensor_type: Literal["float", "double", "half", "cuda"] | None = Field(
        None, description="Torch7: the network's tensors, as its :type() says; a file of others is noted."
    )
    tolerance: Tolerance | None = Field(None, description="Parity tolerance; default by element type.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of the drawn sample inputs.")
    layers: bool = Field(False, description="ONNX targets: compare every layer, also when the outputs agree.")

    @model_validator(mode="before")
    @classmethod
    def _coarser(cls, given: Any) -> Any:
        """What rounds by request is judged by how far it rounds, unless the user says otherwise."""
        if isinstance(given, dict) and given.get("tolerance") is None:
            asked = [str(given.get(key)) for key in ("precision", "weights")]
            chosen = [COARSER[value] for value in asked if value in COARSER]
            if chosen:
                return {**given, "tolerance": max(chosen, key=lambda tolerance: tolerance.rtol)}
        return given


# By the value of the option that asks for it.
COARSER = {
    "float16": Tolerance(rtol=1e-2, atol=1e-3, cosine=0.999),
    "int8": Tolerance(rtol=5e-2, atol=1e-2, cosine=0.995),
}

DEFAULTS = Options()
