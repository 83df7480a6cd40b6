"""From a Plan to a model: preview.py runs it on the loaded donor, build.py builds a separate checkpoint.

edits.py dispatches on the kind of edit, merge.py holds the merge rules, parts.py drops only attention or only MLP,
replacements/ fits what takes a block's place, config_fields.py lists the per-layer config fields, and same_layers.py
checks that the kept layers are unchanged.
"""
