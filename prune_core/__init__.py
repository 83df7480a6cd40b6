"""LayerScope's engine. The way through the house, one room a stage:

    model.py + data.py     a model and calibration text
      -> capture.py        one forward pass, every layer's hidden states streamed past the accumulators
      -> similarity/       [L+1, L+1] maps: cosine, angular distance, CKA
      -> dropmap.py        the measured loss of dropping every block, to hold the maps against
      -> methods/          maps (or measured losses) -> Plan; a person's clicks make the same Plan
         evidence/         what searching methods go by: planned models run on cached states, each measured once
      -> transform/        preview a Plan by hooks; build it as a new, valid checkpoint
         replacements/     networks that stand in for a block, fitted on the calibration text
      -> evaluate/         before and after: perplexity, tasks, agreement with the donor, speed, text
      -> export.py         safetensors, recipe, model card; hub_upload.py pushes them

types.py, reports.py and specs.py name every noun, pipeline/ knows the order, jobs.py runs it in a worker process,
store.py keeps the results, catalogue.py lists the runs (trash.py, side_by_side.py and recipes.py do the rest with
them), and commands/ is the same pipeline from the command line.
"""

__version__ = "0.2.0"
