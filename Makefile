# Two commands: `make app` and `make test`. Both set everything up first.
.PHONY: app test lint bench setup

PORT ?= 8501

app: setup
	.venv/bin/streamlit run app.py --server.address 127.0.0.1 --server.port $(PORT)

test: setup
	.setup/browser
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest  # the tests' models are too small for more threads

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/basedpyright

bench: setup
	.venv/bin/python -m tests.bench.one_pass

setup:
	.setup/environment
