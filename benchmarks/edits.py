"""How fast legal edits are enumerated and tried, over the programs of QuixBugs.

    HRMGYM_DATA=... python benchmarks/edits.py --json
        [--programs gcd wrap] [--most 300] [--every 50] [--timed-out 200] [--stages 0.02] [--seed 0]

The full run tries 134,000 texts, in about ten minutes of one core; `--most 100 --timed-out 20`
takes two. A bar on standard error shows how far it is. Ctrl-C ends it with the figures of the
programs that were through, and exit code 130. `--most 0` only enumerates.

- `edits_per_s`: legal edits a CPU second, all filters and ids included: the total over the 40
  programs, preparation included, the best of several rounds.
- `enumerate_ms_median`: CPU milliseconds for all edits of a program, the median over the programs,
  each the best of the rounds.
- `edits_median`, `lean_median`: legal edits of a program.
- `screens_per_s`: texts a CPU second in screens under the first stage, all legal edits of a program
  on its visible tests, the median over the programs. What was cut off is not counted, nor the CPU
  time that it used.
- `screens_per_s_all`: all test runs of screens over all their CPU time, with those that were cut
  off and their repeats up to the task's own limits.
- `screen_disagreements`: texts of which an ordinary run under the task's own limits says otherwise.
  Every 50th text is run once more (`--every`), and texts that timed out are drawn until there are
  200 of them (`--timed-out`). `screens_compared` and `screens_timed_out_compared` count them.
- `cold_runs_per_s`: these ordinary runs a CPU second, without those of texts that timed out.
- `load`: of the machine when it was measured. What else runs slows down what is measured here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence

from cpu_time import accounting
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from screens import Compared, Program, compare, figures, sample, screened

from hrmgym.envs import Benchmark, make_benchmark
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.sandboxes.handle import Sandbox
from hrmgym.envs.task import Task
from hrmgym.errors import did_you_mean

Figures = dict[str, float | None]


def enumeration(texts: Sequence[str], rounds: int) -> tuple[Figures, list[int]]:
    """What enumerating all edits of each text costs, and how many each has."""
    lean, every, best = [], [], [float("inf")] * len(texts)
    for _ in range(rounds):
        lean, every = [], []
        for index, text in enumerate(texts):
            start = time.process_time()
            edits = legal_edits(text)
            few = sum(1 for _ in edits.lean())
            many = sum(1 for _ in edits.bulky())
            best[index] = min(best[index], time.process_time() - start)
            lean.append(few)
            every.append(few + many)
    figures: Figures = {
        "edits_per_s": round(sum(every) / sum(best)),
        "enumerate_ms_median": round(1e3 * statistics.median(best), 2),
        "edits_median": statistics.median(every),
        "lean_median": statistics.median(lean),
    }
    return figures, every


def screening(
    benchmark: Benchmark, tasks: Sequence[Task], options: argparse.Namespace, total: int
) -> tuple[Figures, Compared, bool]:
    """What screens cost and whether they are right, and whether all of it was done."""
    programs: list[Program] = []
    compared = Compared()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with (
        accounting() as used,
        Sandbox() as sandbox,
        Progress(*columns, TextColumn("{task.fields[now]}"), console=console) as progress,
    ):
        try:
            bar = progress.add_task("screens", total=total, now="")
            for task in tasks:
                progress.update(bar, now=task.id)
                programs.append(
                    screened(
                        benchmark,
                        task,
                        sandbox,
                        options.stages,
                        used,
                        options.most,
                        lambda done: progress.advance(bar, done),
                    )
                )
            chosen = sample(programs, options.every, options.timed_out, options.seed)
            bar = progress.add_task("ordinary runs", total=len(chosen), now="")
            for said in compare(benchmark, chosen, sandbox, used, compared):
                progress.update(bar, advance=1, now=said.task.id)
        except KeyboardInterrupt:
            return dict(figures(programs, compared)), compared, False
    return dict(figures(programs, compared)), compared, True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/edits.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument("--rounds", type=int, default=5, help="of enumeration")
    parser.add_argument("--programs", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--most", type=int, metavar="N", help="edits tried of a program")
    parser.add_argument("--stages", type=float, nargs="*", metavar="S", default=[0.02])
    parser.add_argument("--every", type=int, metavar="N", default=50)
    parser.add_argument("--timed-out", type=int, metavar="N", default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of those that timed out")
    options = parser.parse_args(arguments)
    benchmark = make_benchmark("quixbugs")
    tasks = benchmark.tasks("test")
    if options.programs:
        known = [task.id for task in tasks]
        for name in options.programs:
            if name not in known:
                parser.error(f"--programs: no program {name!r}{did_you_mean(name, known)}")
        tasks = [task for task in tasks if task.id in options.programs]
    texts = [task.workspace.files[path] for task in tasks for path in task.editable]
    load = round(os.getloadavg()[0], 2)
    enumerated, counts = enumeration(texts, options.rounds)
    found: Figures = {"load": load, **enumerated}
    compared, through = Compared(), True
    if options.most != 0:
        total = sum(counts if options.most is None else (min(n, options.most) for n in counts))
        more, compared, through = screening(benchmark, tasks, options, total)
        found |= more
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:27} {value:,}" if value is not None else f"{name:27} -")
    for said in compared.wrong:
        print(f"an ordinary run disagrees: {said}", file=sys.stderr)
    return 0 if through else 130


if __name__ == "__main__":
    raise SystemExit(main())
