"""The project's tests. `hrmgym.tests.conformance` can be run on benchmarks from outside, too."""
