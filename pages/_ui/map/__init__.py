"""The clickable maps: the component, its JavaScript, and what a gesture selects."""
