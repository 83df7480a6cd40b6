"""From a Plan to a model: preview.py runs it on the loaded donor, surgery.py builds it as a checkpoint of its own.

edits.py tells the kinds of edit apart, merge.py holds the merge rules, parts.py drops attention or MLP alone (what
replaces a block is fitted in prune_core/replacements/; prune_core/swaps.py makes a layer run otherwise for a while),
config_fields.py has the per-layer config fields, and same_layers.py checks that the kept layers stay what they were.
"""
