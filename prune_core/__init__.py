"""LayerScope's engine. A guide to its folders, one per stage:

    model/ + data/         a model and calibration text
      -> forward/          one forward pass, with every layer's hidden states streamed past the accumulators
      -> measure/          [L+1, L+1] maps: cosine, angular distance, CKA; the measured loss of dropping every block
      -> methods/          maps (or measured losses) -> Plan; a person's clicks make the same Plan
         search/           what searching methods rely on: planned models run on cached states, each measured once
      -> cut/              preview a Plan via hooks; build it as a new, valid checkpoint
         replacements/     networks that replace a block, fitted on the calibration text
      -> evaluate/         before and after: perplexity, tasks, agreement with the donor, speed, text
      -> export/           safetensors, recipe, model card; hub_upload.py pushes them

schema/ and pipeline/specs.py define every noun, pipeline/ knows the order, store/ runs jobs in a worker process, keeps
their results and lists the runs, and cli/ is the same pipeline from the command line.
"""

__version__ = "0.2.0"
