"""What a trainer is: a block of an experiment file that can train. Importing this needs no torch.

A trainer from outside the package is one class and, for a short name, one call:

    class Evolve(Trainer):
        generations: Count = 10
        \"\"\"Generations to breed.\"\"\"

        def train(self, job: Job[Evolve], *, resume: bool = False) -> Path: ...

    register_trainer("evolve", "my_package.evolve:Evolve")

`trainer: {kind: evolve}` then works where that call has been made, and
`kind: my_package.evolve:Evolve` everywhere.
"""

from __future__ import annotations

from abc import abstractmethod
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrmgym.config import Block, Word
from hrmgym.errors import ConfigError
from hrmgym.registry import Registry

if TYPE_CHECKING:  # both import torch, or what does
    from hrmgym.hrm.edit_model import EditModel
    from hrmgym.trainers.job import Job
    from hrmgym.trainers.supervised_config import LearningConfig


class Trainer(Block):
    """One kind of training: its keys, and what it does.

    Modules of trainers must import without torch, since experiment files are read without it;
    `train` may import what it likes.
    """

    kind: Word
    """A registered trainer, or `module:Class` of one."""

    @abstractmethod
    def train(self, job: Job[Any], *, resume: bool = False) -> Path:
        """Trains, and returns the checkpoint folder.

        Args:
            job: What, where and how; its `config` is this block.
            resume: Go on from the state that an earlier start left in `job.folder`, if there is
                one.
        """

    def finish_early(self, job: Job[Any]) -> Path:
        """Makes the checkpoint to ship from the present state, which can still be gone on from.

        Raises:
            ConfigError: this trainer cannot.
        """
        raise ConfigError(f"--finish is for a trainer that can be finished early, not {self.kind}")

    def check(self, network: EditModel) -> None:
        """Looks for what would go wrong later with that network.

        Raises:
            ConfigError: it cannot be trained so.
        """

    def scored(self, checkpoint: Path) -> dict[str, Any]:
        """The policy block that its checkpoint is scored with."""
        return {"kind": "hrm", "checkpoint": str(checkpoint)}

    @property
    def can_finish(self) -> bool:
        """Whether there is a `finish_early`."""
        return type(self).finish_early is not Trainer.finish_early

    @property
    def takes_stages(self) -> bool:
        """Whether its episodes go through `hrmgym.trainers.staged.with_stages`."""
        return False

    @property
    def evaluates(self) -> bool:
        """Whether the benchmark's `valid_split` is used in training."""
        return False

    @property
    def supervised(self) -> LearningConfig | None:
        """The supervised training in it: its data are in the model card, its workers take
        processors."""
        return None


def _is_trainer(found: object) -> bool:
    is_kind = isinstance(found, type) and issubclass(found, Trainer)
    return is_kind and not isabstract(found)


#: The trainers that `trainer.kind` may name.
TRAINERS: Registry[type[Trainer]] = Registry(
    "trainer", "a Trainer class that has a `train`", _is_trainer
)


def register_trainer(name: str, entry_point: str) -> None:
    """Adds a trainer to those that `trainer.kind` may name.

    Args:
        name: For experiment files.
        entry_point: `module:Class` of a `Trainer`; not imported before it is used.

    Raises:
        ConfigError: the name stands for another trainer already.
    """
    TRAINERS.register(name, entry_point)


register_trainer("ppo", "hrmgym.trainers.config:PPOConfig")
register_trainer("pretrain", "hrmgym.trainers.config:PretrainConfig")
register_trainer("rank", "hrmgym.trainers.config:RankConfig")
