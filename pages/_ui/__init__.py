"""What the pages share: state, the map, figures and forms; and in a folder named after a page, what it alone uses."""
