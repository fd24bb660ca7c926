"""The fields of a job as a client sends them, in a form or as JSON, made into one checked request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.catalog import schema
from app.catalog.catalog import Catalog
from app.problems import FieldError, Problem, invalid
from app.uploads.receive import Submission, parse_json

MAX_TARGETS = 32
# A name may itself hold colons, as TensorFlow's do: the dimensions are what follows the last one that fits.
_INPUT = re.compile(r"(?P<name>.+?):(?P<dims>[\w?*,\- ]*)(?::(?P<dtype>[a-z][a-z0-9]*))?")
LISTS = frozenset({"target", "inputs"})
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class JobRequest(BaseModel):
    """``model`` names an uploaded model where the files do not come along."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(None, max_length=36)
    target: list[str] = Field(min_length=1, max_length=MAX_TARGETS)
    source: str | None = Field(None, max_length=64)
    options: dict[str, Any] = {}
    inputs: list[str] = Field([], max_length=1000)
    verify: Literal["none", "hub", "target"] = "target"
    device: Literal["cpu", "cuda"] = "cpu"
    on_mismatch: Literal["fail", "warn"] = "fail"
    tag: str | None = Field(None, max_length=200)
    dry_run: bool = False

    @field_validator("target")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(value))


class InspectRequest(BaseModel):
    """What an inspection takes: the reading half of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(None, max_length=36)
    source: str | None = Field(None, max_length=64)
    options: dict[str, Any] = {}
    inputs: list[str] = Field([], max_length=1000)


def job_request(submission: Submission, catalog: Catalog) -> JobRequest:
    """Raises invalid-request, invalid-options or unsupported-conversion."""
    fields = _fields(submission)
    fields.setdefault("target", [])
    try:
        request = JobRequest.model_validate(fields)
    except ValidationError as error:
        raise invalid("invalid-request", _errors(error)) from None
    _check_formats(request.source, request.target, catalog)
    if request.device not in ("cpu", *catalog.devices):
        raise invalid("invalid-request", [FieldError("/device", f"no live worker has {request.device}")])
    return request.model_copy(update={"options": _options(request.options, request.inputs, catalog)})


def inspect_request(submission: Submission, catalog: Catalog) -> InspectRequest:
    try:
        request = InspectRequest.model_validate(_fields(submission))
    except ValidationError as error:
        raise invalid("invalid-request", _errors(error)) from None
    _check_formats(request.source, (), catalog)
    return request.model_copy(update={"options": _options(request.options, request.inputs, catalog)})


def _fields(submission: Submission) -> dict[str, Any]:
    """One value a field, but for the lists; a form's texts are made into what they stand for."""
    fields: dict[str, Any] = {}
    for name, values in submission.values.items():
        if name in LISTS:
            fields[name] = values
        elif len(values) == 1:
            fields[name] = values[0] if submission.is_json else _of_text(name, values[0])
        else:
            raise invalid("invalid-request", [FieldError(f"/{name[:100]}", "is given more than once")])
    return {name: value for name, value in fields.items() if value is not None}


def _of_text(name: str, text: str) -> Any:
    if name == "options":
        return parse_json(text, "invalid-options", "The field options") if text.strip() else None
    if name == "dry_run":
        return FLAGS.get(text.strip().lower(), text)
    return text.strip() or None


def _errors(error: ValidationError) -> list[FieldError]:
    return [FieldError("/" + "/".join(str(part)[:100] for part in e["loc"]), e["msg"]) for e in error.errors()[:50]]


def _check_formats(source: str | None, targets: Sequence[str], catalog: Catalog) -> None:
    errors = [
        FieldError(
            f"/target/{index}", f"there is no target {target[:64]!r}; targets are: {', '.join(catalog.targets())}"
        )
        for index, target in enumerate(targets)
        if target not in catalog.targets()
    ]
    if source is not None and source not in catalog.sources():
        known = ", ".join(catalog.sources())
        errors.append(FieldError("/source", f"{source[:64]!r} cannot be read; sources are: {known}"))
    if errors:
        raise invalid("unsupported-conversion", errors)


def _options(options: dict[str, Any], inputs: Sequence[str], catalog: Catalog) -> dict[str, Any]:
    """The options with the shapes of ``inputs`` on top, checked against the schema that the workers announced."""
    merged = dict(options)
    for text in inputs:
        name, dims, dtype = input_shape(text)
        merged["input_shapes"] = {**_object(merged.get("input_shapes")), name: dims}
        if dtype:
            merged["input_dtypes"] = {**_object(merged.get("input_dtypes")), name: dtype}
    errors = schema.errors(merged, catalog.options) if catalog.options else []
    if errors:
        raise invalid(
            "invalid-options", [FieldError(f"/options{error.pointer}", error.detail) for error in errors[:50]]
        )
    return merged


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def input_shape(text: str) -> tuple[str, list[int | str | None], str | None]:
    """``x:1,3,224,224:float32`` -> name, dims, dtype. ``?`` or ``-1`` is a free axis, a word a named one."""
    match = _INPUT.fullmatch(text)
    if match is None:
        raise invalid(
            "invalid-request", [FieldError("/inputs", f"write name:1,3,224,224[:float32], not {text[:100]!r}")]
        )
    dims: list[int | str | None] = []
    for part in match["dims"].split(",") if match["dims"].strip() else []:
        word = part.strip()
        dims.append(int(word) if word.isdigit() else None if word in ("", "?", "*", "-1") else word)
    return match["name"], dims, match["dtype"]


def need_files(count: int) -> None:
    """Raises missing-file when a request brought neither files nor the id of a model."""
    if not count:
        raise Problem("missing-file", "The request has no file `model` and names no uploaded model")
