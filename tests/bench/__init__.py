"""Costs, measured against literal baselines in one run: python -m tests.bench.NAME. Not part of `make test`."""
