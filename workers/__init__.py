"""The conversion engine and the Celery processes around it."""

import os

from workers import late

# onnxruntime's Linux wheels carry a telemetry uploader that is on by default; it reads this once, at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# We use no plugins of pydantic's; it would look for some in every package that is installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

late.put_off()

__version__ = "0.1.0"
