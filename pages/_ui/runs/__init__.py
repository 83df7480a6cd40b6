"""What only the runs page uses."""
