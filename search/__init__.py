"""Trying proposals in stages, learning from each outcome, and tree search over any problem."""

if __name__ == "search":
    raise ImportError("this folder is the package hrmgym.search: write `import hrmgym.search`")
