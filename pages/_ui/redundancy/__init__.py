"""What the redundancy page alone uses."""
