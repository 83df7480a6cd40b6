"""What the runs page alone uses."""
