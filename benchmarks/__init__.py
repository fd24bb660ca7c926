"""Every number that README and docs state, each from a script that anyone can run: ``python -m benchmarks.NAME``."""
