"""``python -m workers``: the engine's commands without any service."""

import sys

from workers import launch

launch.engine(sys.argv[1] if len(sys.argv) > 1 else "")
