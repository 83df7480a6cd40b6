"""What several pages show: job panel, forms, theme, tables."""
