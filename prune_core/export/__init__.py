"""A checkpoint for other people: safetensors, recipe and model card in a folder, or pushed to the Hub."""
