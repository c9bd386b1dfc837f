"""Kinds of tests: what of each goes into a sandbox, and the verdict on what comes out."""
