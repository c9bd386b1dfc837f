"""Making bugs in working programs, each with its exact inverse; pinned releases of packages."""
