"""What only the redundancy page uses."""
