"""The paths of the HTTP interface, a file for each group."""
