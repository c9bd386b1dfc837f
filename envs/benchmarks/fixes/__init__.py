"""Real fixes with tests, from pairs of source releases: see `benchmark.py`."""
