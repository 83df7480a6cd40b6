"""The stages in order: one function per kind of job, and a table from kind to function (runner.py)."""
