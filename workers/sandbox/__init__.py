"""Child processes with limits: every step that touches an uploaded file runs in one.

``run(argv, ...)`` starts a program in the jail of ``jail.py`` and watches it; the ``Outcome`` says how it ended.
``forked.run`` and the ``zygote`` do the same with a function in a forked child.
"""

from workers.sandbox.outcome import Limits, Outcome, held
from workers.sandbox.run import run

__all__ = ["Limits", "Outcome", "held", "run"]
