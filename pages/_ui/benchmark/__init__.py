"""What the benchmark page alone uses."""
