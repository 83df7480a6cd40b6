"""What searching methods go by: planned models run on cached states, gradients, sets of blocks; each measured once."""
