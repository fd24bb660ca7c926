# syntax=docker/dockerfile:1
# Targets: api (the HTTP service, no frameworks), worker (the engine), toolchain (worker + the frameworks that verify).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN UV_PROJECT_ENVIRONMENT=/opt/onnxhub /opt/uv/bin/uv sync --locked --no-dev --no-install-project --quiet
COPY app app
COPY workers workers
RUN UV_PROJECT_ENVIRONMENT=/opt/onnxhub /opt/uv/bin/uv sync --locked --no-dev --no-editable --quiet \
 && /opt/onnxhub/bin/python -m workers.report.compiled

FROM ${BASE} AS base
RUN groupadd --gid 10001 onnxhub \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/onnxhub --create-home onnxhub
COPY --from=build /opt/onnxhub /opt/onnxhub
ENV PATH=/opt/onnxhub/bin:$PATH \
    ONNXHUB_HOME=/var/lib/onnxhub \
    ONNXHUB_HOST=0.0.0.0 \
    PYTHONUNBUFFERED=1
USER onnxhub
WORKDIR /var/lib/onnxhub
VOLUME /var/lib/onnxhub

FROM base AS api
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --retries=6 \
  CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/livez' % os.environ.get('ONNXHUB_PORT', '8000'), timeout=4)"]
CMD ["onnxhub", "api"]

FROM base AS worker
STOPSIGNAL SIGTERM
CMD ["onnxhub", "worker"]

# Toolchains lie outside the state volume, so that an image brings its own.
FROM worker AS toolchain
ARG TOOLCHAINS="opencv torch"
USER root
ENV ONNXHUB_TOOLCHAINS=/opt/toolchains
RUN for name in ${TOOLCHAINS}; do onnxhub toolchain install "$name" || exit 1; done
USER onnxhub
