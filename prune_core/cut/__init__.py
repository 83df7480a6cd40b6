"""From a Plan to a model: preview.py runs it on the loaded donor, build.py makes a checkpoint of its own.

edits.py tells the kinds of edit apart, merge.py holds the merge rules, parts.py drops attention or MLP alone,
replacements/ fits what takes a block's place, config_fields.py has the per-layer config fields, and same_layers.py
checks that the kept layers stay what they were.
"""
