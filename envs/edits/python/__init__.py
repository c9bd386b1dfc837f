"""The legal edits of Python."""
