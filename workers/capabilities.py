"""What this installation reads, writes and can verify: ``python -m workers.capabilities`` prints it as JSON."""

from __future__ import annotations

import json
from typing import Any

import onnxruntime

from workers import __version__, toolchains
from workers.formats import all_formats
from workers.formats.contract import Format
from workers.options import Options


def capabilities() -> dict[str, Any]:
    """``formats``: one entry each; ``options``: their JSON Schema; ``devices``; ``warnings`` for the operator."""
    return {
        "engine": f"onnxhub {__version__}",
        "formats": [_format(format) for format in all_formats().values()],
        "options": Options.model_json_schema(),
        "devices": ["cpu", *(["cuda"] if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else [])],
        "warnings": _warnings(),
    }


def _format(format: Format) -> dict[str, Any]:
    return {
        "name": format.name,
        "title": format.title,
        "extensions": list(format.extensions),
        "read": format.read is not None,
        "write": format.write is not None,
        "needs": format.needs,
        "verify": [
            {
                "toolchain": verifier.toolchain,
                "action": verifier.action,
                "title": verifier.title,
                "available": toolchains.find(verifier.action) is not None,
            }
            for verifier in format.verify
        ],
        "exports": [{"file": export.file, "title": export.title} for export in format.exports],
        "layers": {side: dict(kinds) for side, kinds in format.coverage().items()} if format.coverage else {},
    }


def _warnings() -> list[str]:
    missing = {
        f"{verifier.title} is not installed: onnxhub toolchain install {verifier.toolchain}"
        for format in all_formats().values()
        for verifier in format.verify
        if toolchains.find(verifier.action) is None
    }
    return sorted(missing)


if __name__ == "__main__":
    print(json.dumps(capabilities()))
