"""The application: ``create_app(settings)``, or ``uvicorn --factory app.main:create_app``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.catalog import routes as catalog
from app.context import Hub, request_id
from app.http import Boundary
from app.jobs import results, sweeper
from app.jobs import routes as jobs
from app.models import routes as models
from app.ops import routes as ops
from app.problems import FieldError, Problem, invalid, response
from app.settings import Settings
from app.ui import routes as ui

DESCRIPTION = (
    "Turns a model of any deep-learning framework into another's by way of ONNX, and proves each step with numbers."
)
BY_STATUS = {404: "not-found", 405: "method-not-allowed"}


def create_app(settings: Settings | None = None) -> FastAPI:
    hub = Hub.of(settings or Settings())
    app = FastAPI(
        title="onnxhub", version=version("onnxhub"), description=DESCRIPTION, lifespan=_lifespan, docs_url=None,
        redoc_url=None, telemetry=None,
    )  # fmt: skip
    app.state.hub = hub
    for router in (jobs.router, results.router, models.router, catalog.router, ops.router, ui.router):
        app.include_router(router)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Boundary, hub=hub)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.hub
    await asyncio.to_thread(hub.prepare)
    sweeping = asyncio.create_task(sweeper.run(hub))
    try:
        yield
    finally:
        hub.closing = True
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping
        await asyncio.to_thread(hub.close)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response(error, instance=request.url.path, request_id=request_id(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = BY_STATUS.get(error.status_code, "bad-request")
    detail = f"{request.method} {request.url.path[:300]}: {error.detail}"
    return await _problem(request, Problem(name, detail, headers=error.headers))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [FieldError("/" + "/".join(str(p)[:100] for p in e["loc"][1:]), e["msg"]) for e in error.errors()]
    return await _problem(request, invalid("invalid-request", errors))
