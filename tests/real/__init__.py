"""Checks against real models, modules to run by hand: they need a model's folder and minutes, so no test runs them."""
