"""The server and the browser application under load."""
