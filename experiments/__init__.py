"""Experiments: configuration, run folders, training and scoring from a YAML file."""

if __name__ == "experiments":
    raise ImportError(
        "this folder is the package hrmgym.experiments: write `import hrmgym.experiments`"
    )
