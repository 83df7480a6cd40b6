"""Running the model: whole, layer by layer on cached states, up to a block; and every loss computed from its logits."""
