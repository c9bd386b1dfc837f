"""Trying proposals in stages; tree search over environment states is to come."""

if __name__ == "search":
    raise ImportError("this folder is the package hrmgym.search: write `import hrmgym.search`")
