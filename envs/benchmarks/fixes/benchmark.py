"""The `fixes` benchmark: real fixes from pairs of releases, with the newer release's own tests.

A task is the newer release's package with one function's body replaced by the older one's. At least
one of the newer release's tests fails with it; with the newer body all of the task's tests pass.
What ships is a recipe: the source archives are downloaded the first time, checked by their hashes,
and kept in the cache folder; nothing of them runs outside of a sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import overload

from hrmgym.envs.benchmark import Benchmark
from hrmgym.envs.benchmarks.fixes import building
from hrmgym.envs.benchmarks.fixes.layout import Layout, layout_of
from hrmgym.envs.benchmarks.fixes.recipe import SPLITS, Fix, Package, read, shipped
from hrmgym.envs.bugs.releases import Release, fetch
from hrmgym.envs.cache import cache_dir
from hrmgym.envs.task import Task
from hrmgym.errors import DataError

#: What `hrmgym doctor` says of the data.
DATA = "source archives, each fetched by pip when a task of it is first used"


class Fixes(Benchmark):
    """Real fixes of Python packages; the path is a recipe's, by default the one that ships."""

    name = building.NAME
    version = "1"
    splits = SPLITS
    split_by_package = True

    def __init__(self, path: str | None = None) -> None:
        self._path = path

    def tasks(self, split: str) -> Sequence[Task]:
        """The split's tasks, by package; each is built when it is first asked for."""
        self.check_split(split)
        return self._splits[split]

    def task_ids(self, split: str) -> Sequence[str]:
        """Ids of the split's tasks; none is built."""
        self.check_split(split)
        return self._splits[split].ids

    @cached_property
    def _splits(self) -> dict[str, _Tasks]:
        packages = shipped() if self._path is None else read(Path(self._path))
        return {
            split: _Tasks(
                [(one, fix) for one in packages if one.split == split for fix in one.fixes]
            )
            for split in SPLITS
        }


class _Tasks(Sequence[Task]):
    """Tasks that are built one by one."""

    def __init__(self, fixes: Sequence[tuple[Package, Fix]]) -> None:
        self._fixes = fixes
        self._built: dict[int, Task] = {}
        self.ids = [building.task_id(package.name, fix) for package, fix in fixes]

    def __len__(self) -> int:
        return len(self._fixes)

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        if index not in self._built:
            package, fix = self._fixes[index]
            layouts = (_layout(package.releases[version]) for version in (fix.old, fix.new))
            self._built[index] = building.task_of(package, fix, *layouts)
        return self._built[index]


@lru_cache(maxsize=8)
def _layout(release: Release) -> Layout:
    """The files of a release, laid out once and kept in the cache folder."""
    path = cache_dir() / "fixes" / f"{release.file}-{release.sha256[:16]}-{building.LAYOUT}.json"
    try:
        return Layout(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: broken ({error}); remove it") from error
    made = layout_of(fetch(release), release.project, release.version)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"package": made.package, "tests": made.tests, "licence": made.licence}
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data), "utf-8")
    part.replace(path)
    return made
