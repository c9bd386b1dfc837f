"""Many texts of one file tried in one process: what runs inside. Standard library only."""
