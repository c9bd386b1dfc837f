"""Kinds of tests, one module a kind: how it is read, run, shown and judged.

The open list of them, by name, is `hrmgym.envs.testkind`.
"""
