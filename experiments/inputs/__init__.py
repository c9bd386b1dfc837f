"""Inputs for functions under judgement: drawn, so that they stand in no test."""
