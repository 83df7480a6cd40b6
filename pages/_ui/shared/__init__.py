"""What several pages share: job panel, forms, theme, tables."""
