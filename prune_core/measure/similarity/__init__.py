"""One file a similarity measure; one_pass.py takes all of them in a single pass over the text."""
