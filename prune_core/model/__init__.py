"""A model from a folder or the Hub: what it is and whether it fits, its weights, tokenizer and stack of layers."""
