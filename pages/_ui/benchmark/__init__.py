"""What only the benchmark page uses."""
