"""Maps of all pairs of states: similarity, the measured cost of dropping every block, and how well one tells it."""
