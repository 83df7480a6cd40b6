"""The command line, one file per stage: same specs, pipeline and store as the app. `__main__` lists them."""
