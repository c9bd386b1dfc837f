"""What changes weights: supervised warm start, PPO, and what they log."""

if __name__ == "trainers":
    raise ImportError("this folder is the package hrmgym.trainers: write `import hrmgym.trainers`")
