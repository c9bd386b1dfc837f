"""What an agent acts in: tasks, benchmarks, interfaces, sandboxes and the environment over them.

Importing this package registers the environments of the benchmarks that ship.
"""

if __name__ == "envs":
    raise ImportError("this folder is the package hrmgym.envs: write `import hrmgym.envs`")

from hrmgym.envs.benchmark import (
    Benchmark,
    catalogue,
    find_task,
    make_benchmark,
    register_benchmark,
)

__all__ = ["Benchmark", "catalogue", "find_task", "make_benchmark", "register_benchmark"]

register_benchmark("katas", "hrmgym.envs.benchmarks.katas.benchmark:Katas", "hrmgym/Katas-v0")
register_benchmark("quixbugs", "hrmgym.envs.benchmarks.quixbugs:QuixBugs", "hrmgym/QuixBugs-v0")
register_benchmark("jsonl", "hrmgym.envs.benchmarks.jsonl:JsonlTasks", "hrmgym/Jsonl-v0")
register_benchmark("fixes", "hrmgym.envs.benchmarks.fixes.benchmark:Fixes", "hrmgym/Fixes-v0")
register_benchmark(
    "madebugs", "hrmgym.envs.benchmarks.madebugs.benchmark:MadeBugs", "hrmgym/MadeBugs-v0"
)
