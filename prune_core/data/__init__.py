"""Text becomes token batches: documents, the draw, padding, sequences of like length together."""
