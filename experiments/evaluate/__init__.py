"""Scores of policies, checks of benchmarks, and the reports of both."""
