"""LayerScope's engine, its rooms in the order of the pipeline (pyproject.toml says which may know which):

schema/      every noun as a frozen dataclass, and what can be said of it in words, JSON or a fingerprint; no torch
model/       a model from a folder or the hub: its metadata, weights, tokenizer and stack of layers
data/        text becomes padded batches of tokens
forward/     running the model: whole, layer by layer on cached states, up to a block; every loss made of its logits
measure/     maps of all pairs of states: similarity, and the measured cost of dropping every block
methods/     how layers are chosen: one small file per method, from published papers; no torch
cut/         a plan becomes a model: previewed on the donor, built as a checkpoint, blocks replaced by networks
search/      what searching methods rely on: planned models run on cached states, each measured once
evaluate/    before and after: perplexity, tasks, agreement with the donor, what is left of each skill, speed, memory
export/      a checkpoint for other people: folder, model card, recipe, push to the hub
store/       what is kept on disk, and the jobs that make it: files, queue, worker, list of runs, trash
pipeline/    the stages in their order: every kind of job, and the function that does it
cli/         the same from the command line
"""

__version__ = "0.2.0"
