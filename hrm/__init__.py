"""The network. It knows tensors, not tasks."""

if __name__ == "hrm":
    raise ImportError("this folder is the package hrmgym.hrm: write `import hrmgym.hrm`")
