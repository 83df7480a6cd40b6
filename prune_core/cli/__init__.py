"""The command line, a file for each stage: same specs, pipeline and store as the app. `__main__` lists them."""
