"""What searches rely on: planned models run on cached states, gradients, sets of blocks; each measured once."""
