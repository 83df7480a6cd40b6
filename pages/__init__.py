"""One file a page; `_ui/` holds what they share. A package, so that no other folder called `pages` is searched too."""
