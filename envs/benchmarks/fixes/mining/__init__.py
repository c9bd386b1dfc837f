"""Makes the recipe: `python -m hrmgym.envs.benchmarks.fixes.mining --work DIR`."""
