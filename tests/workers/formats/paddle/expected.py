"""What is particular to the recorded Paddle models: nothing."""

from tests.workers.formats.cases import Expected

EXPECTED = Expected()
