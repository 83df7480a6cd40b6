"""What only the plan page uses."""
