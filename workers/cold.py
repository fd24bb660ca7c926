"""``python -m workers.cold FOLDER``: the jailed child of a command line, which has imported nothing yet.

Imports make no garbage, and looking for it takes a fifth of their time.
"""

from __future__ import annotations

import gc
import os
import sys

if __name__ == "__main__":
    gc.disable()
    from workers.child import main

    gc.enable()
    status = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # nothing is left to tidy that the kernel does not
