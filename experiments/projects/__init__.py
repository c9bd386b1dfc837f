"""Repairing a person's own project: its files, its tests, the search for an edit, what is told."""
