"""What each uploaded file is to PyTorch, told by its content: the endings say nothing."""

from __future__ import annotations

from workers.errors import ConversionError
from workers.formats.contract import Evidence
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.checkpoint import LEGACY, is_safetensors
from workers.formats.pytorch.exported import is_program
from workers.inspect.kind import Kind
from workers.inspect.upload import Upload, UploadedFile

SCRIPT, PROGRAM, WEIGHTS, LEGACY_WEIGHTS, SAFETENSORS, SOURCE, OTHER = (
    "script", "program", "weights", "legacy", "safetensors", "source", "other",
)  # fmt: skip
WEIGHT_ROLES = (WEIGHTS, LEGACY_WEIGHTS, SAFETENSORS)


def kind_of(file: UploadedFile) -> Kind:
    """By the members of a zip, by the first bytes of anything else."""
    head = file.head(64)
    if head[:4] == b"PK\x03\x04":
        return _zip_kind(file)
    if head.startswith(LEGACY):
        return Kind(LEGACY_WEIGHTS, "weights saved by an old torch.save")
    if is_safetensors(head) and int.from_bytes(head[:8], "little") <= file.size - 8:
        return Kind(SAFETENSORS, "a safetensors file of weights")
    if file.suffix == ".py":
        return Kind(SOURCE, "Python source")
    return Kind(OTHER, "no PyTorch file")


def _zip_kind(file: UploadedFile) -> Kind:
    try:
        archive = Archive(file)
    except ConversionError:
        return Kind(OTHER, "a damaged zip archive")
    code = any(name.startswith("code/") and name.endswith(".py") for name in archive.names)
    if "constants.pkl" in archive and code:
        return Kind(SCRIPT, "a TorchScript module")
    if is_program(archive) or ("archive_format" in archive and any("aotinductor" in n for n in archive.names)):
        return Kind(PROGRAM, "an exported program")
    if "data.pkl" in archive:
        return Kind(WEIGHTS, "a pickle of torch.save")
    return Kind(OTHER, "a zip archive of something else")


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a PyTorch model, and from which file that shows."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    for role in (PROGRAM, SCRIPT):
        if role in by_role:
            return Evidence(0.98, f"{by_role[role].name!r} is {kind_of(by_role[role]).what}")
    weights = next((by_role[role] for role in WEIGHT_ROLES if role in by_role), None)
    if weights is None:
        return None
    source = by_role.get(SOURCE)
    if source is not None:
        return Evidence(0.95, f"{weights.name!r} is {kind_of(weights).what}, {source.name!r} the model's source")
    return Evidence(
        0.6 if kind_of(weights).role == SAFETENSORS else 0.9, f"{weights.name!r} is {kind_of(weights).what}"
    )
