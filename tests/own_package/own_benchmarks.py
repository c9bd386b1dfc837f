"""Benchmarks as somebody's own package would bring them: one in Go, and one with an image.

Nothing but the classes and `register_benchmark` is needed; see CONTRIBUTING.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hrmgym.envs import Benchmark, register_benchmark
from hrmgym.envs.task import CommandTests, Environment, HarnessTests, Limits, Task, Workspace

_TEST = """\
package ledger

import "testing"

func {name}(t *testing.T) {{
	if got := Balance({amounts}); got != {wanted} {{
		t.Fatalf("Balance({amounts}) = %d, want {wanted}", got)
	}}
}}
"""


def _go_test(file: str, *cases: tuple[str, str, int]) -> HarnessTests:
    texts = [_TEST.format(name=name, amounts=amounts, wanted=n) for name, amounts, n in cases]
    head = 'package ledger\n\nimport "testing"\n'
    text = head + "".join(one.removeprefix(head) for one in texts)
    return HarnessTests(
        command=("go", "test", "-v", "-vet=off", "./..."),
        parser="go",
        files={file: text},
        fail_to_pass=tuple(f"example.com/ledger::{name}" for name, *_ in cases),
    )


_SUM = "package ledger\n\nfunc Balance(amounts ...int) int {\n\ttotal := 0\n%s\treturn total\n}\n"


class Ledger(Benchmark):
    """A ledger in Go, tested by `go test`."""

    name, version, splits = "ledger", "1", ("test",)

    def tasks(self, split: str) -> Sequence[Task]:
        """One task."""
        body = "\tfor _, amount := range amounts {\n\t\ttotal %s amount\n\t}\n"
        return [
            Task(
                id="balance",
                benchmark=self.name,
                language="go",
                split=self.check_split(split),
                prompt="Balance(amounts...) is the sum of the amounts.",
                source="made for this test",
                workspace=Workspace(
                    files={
                        "go.mod": "module example.com/ledger\n\ngo 1.19\n",
                        "balance.go": _SUM % (body % "-="),
                    }
                ),
                editable=("*.go",),
                visible_tests=_go_test("balance_test.go", ("TestTwo", "1, 2", 3)),
                hidden_tests=_go_test(
                    "hidden_test.go", ("TestOne", "7", 7), ("TestMany", "1, 2, -5", -2)
                ),
                limits=Limits(
                    cpu_s=60, wall_s=180, memory_mb=8192, processes=128, file_mb=512, output_kb=256
                ),
                reference={"balance.go": _SUM % (body % "+=")},
            )
        ]


class Greetings(Benchmark):
    """A greeting in shell, in an image of its own."""

    name, version, splits = "greetings_in_a_container", "1", ("test",)

    def tasks(self, split: str) -> Sequence[Task]:
        """One task; `HRMGYM_TEST_IMAGE` names another image than that of its tests."""
        image = os.environ.get("HRMGYM_TEST_IMAGE", "python:3.11")

        def tests(name: str) -> CommandTests:
            script = f'test "$(sh greet.sh {name})" = "Hello, {name}!"'
            return CommandTests(command=("sh", "-c", script))

        return [
            Task(
                id="greet",
                benchmark=self.name,
                language="python",
                split=self.check_split(split),
                prompt="greet.sh NAME says hello.",
                source="made for this test",
                workspace=Workspace(files={"greet.sh": 'echo "Hello!"\n'}),
                editable=("greet.sh",),
                visible_tests=tests("Ada"),
                hidden_tests=tests("Bo"),
                environment=Environment(image=image),
                reference={"greet.sh": 'echo "Hello, $1!"\n'},
            )
        ]


register_benchmark("ledger", "own_benchmarks:Ledger", "own/Ledger-v0")
register_benchmark("greetings_in_a_container", "own_benchmarks:Greetings", "own/Greetings-v0")
