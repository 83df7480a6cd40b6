"""The stages in their order: one function a kind of job, and a table from kind to function (runner.py)."""
