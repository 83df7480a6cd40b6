"""What the plan page alone uses."""
