"""What the routes tell of themselves beyond their types: their problems, and bodies that are read as streams."""

from __future__ import annotations

from typing import Any

from app.problems import KINDS, MEDIA_TYPE, PREFIX

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these problem types."""
    by_status: dict[int | str, list[str]] = {}
    for name in names:
        by_status.setdefault(KINDS[name].status, []).append(name)
    return {
        status: {
            "description": "; ".join(f"`{PREFIX}{name}`: {KINDS[name].title}" for name in found),
            "content": {MEDIA_TYPE: {"schema": PROBLEM}},
        }
        for status, found in by_status.items()
    }


def files(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "format": "binary"}, "description": description}


def streamed(multipart: dict[str, Any], json_body: dict[str, Any] | None = None) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its own body."""
    content: dict[str, Any] = {"multipart/form-data": {"schema": multipart}}
    if json_body is not None:
        content["application/json"] = {"schema": json_body}
    return {"requestBody": {"required": True, "content": content}}


if __name__ == "__main__":
    import json

    from app.main import create_app
    from app.settings import Settings

    print(json.dumps(create_app(Settings()).openapi(), indent=1))
