"""Makes the demo model that LayerScope ships with: its world, its texts, its tests, its training and its numbers.

    python -m assets.make_demo.corpus     tokenizer, calibration and held-out text
    python -m assets.make_demo.tasks      the test items, for lm-eval
    python -m assets.make_demo.train      the model itself (minutes on a GPU, about an hour on 2 CPU cores)
    python -m assets.make_demo.measure    the numbers and the model card

Everything is drawn from seeded generators, so the same command gives the same text on every machine.
"""
