"""`madebugs`: bugs made of legal edits in the functions that real fixes are of.

`listed.py` reads and writes lists of made bugs, `building.py` makes them, `benchmark.py` makes
tasks of them. A list holds edits and hashes; the programs are those of the benchmark of the hosts.
"""
