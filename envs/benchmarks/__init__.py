"""The benchmarks that ship."""
