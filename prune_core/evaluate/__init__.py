"""What a model is worth, measured: the same functions for the donor and for the pruned model.

    perplexity.py   loss and perplexity on held-out text, by sliding windows
    tasks.py        accuracy on lm-evaluation-harness tasks, on the model that is already in memory
                    (task_list.py, jsonl_task.py and jsonl_items.py find the tasks, harness.py scores them)
    agreement.py    KL and likeliest tokens against the donor's, on held-out text
    retention.py    what is left of each skill, item by item, with intervals; stability.py: LLM-Streamline's measure
    speed.py        prefill and decode speed, models in turn
    memory.py       parameters, weights, KV cache, peak memory, disk
    choices.py      the same tasks answered again and again, item by item, for maps of skills
    generate.py     text, one token at a time
    departure.py    the donor's text scored by both models, token by token

Everything returns `Metric`s that carry their unit, standard error and settings. Nothing here changes a model.
"""
