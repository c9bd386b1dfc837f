"""What takes power away from foreign code, and trials of it. Standard library only."""
