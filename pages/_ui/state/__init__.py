"""What a browser session has chosen: the only room that names session_state keys."""
