"""Tree search over environment states. Empty until its issue is built."""

if __name__ == "search":
    raise ImportError("this folder is the package hrmgym.search: write `import hrmgym.search`")
