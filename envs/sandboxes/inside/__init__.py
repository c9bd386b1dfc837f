"""What runs inside a sandbox to make runs of foreign code there: standard library only."""
