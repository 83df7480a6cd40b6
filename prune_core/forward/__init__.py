"""Running the model: whole, a layer at a time on cached states, up to a block; and every loss made of its logits."""
