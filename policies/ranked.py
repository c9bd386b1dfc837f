"""A policy that invents nothing: it puts the legal edits of a state in order, the best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hrmgym.envs.edits.places import FileEdit, edits_of
from hrmgym.envs.edits.screen import Coverage
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.state import State
from hrmgym.policies.base import Spaces
from hrmgym.policies.baselines import edits_only
from hrmgym.policies.config import HRMPolicyConfig, RankedConfig
from hrmgym.policies.ranking import Combined, LogProbs, Ranker, Spectra, order
from hrmgym.policies.shortlist import Shortlisted

#: Path -> which of the file's lines each visible test runs; it runs them.
Look = Callable[[str], Coverage]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The legal edits of a state in a policy's order."""

    edits: Sequence[FileEdit]
    """Most probable first."""
    log_probs: LogProbs
    """Their log-probabilities in nats; they sum to 1 over all edits."""
    test_runs: int
    """Runs of the visible tests that it took to put them in order."""
    spectra: Spectra
    """What was looked at for it."""


class RankedPolicy:
    """Orders legal edits by what one or more rankers say; without any, by chance.

    It acts in no episode: it is for scores of proposals, and for search.

    Args:
        rankers: What they say is multiplied.
        most: No more edits of a state are put in order, those of lean kinds before others.
        seed: Of the order of edits that are equally probable.
        feedback: Whether what an edit changes is to change the order of those that are left.
    """

    def __init__(
        self, rankers: Sequence[Ranker], most: int, seed: int = 0, *, feedback: bool = False
    ) -> None:
        self.rankers, self.most, self.feedback = tuple(rankers), most, feedback
        self.seed(seed)
        self._last: tuple[object, Sequence[FileEdit], LogProbs, Spectra] | None = None

    def seed(self, seed: int) -> None:
        """Seeds the order of edits that are equally probable."""
        self._seed = seed

    def rank(self, state: State, look: Look) -> Ranked:
        """All legal edits of a state.

        Args:
            state: What is to be repaired.
            look: Asked only where a ranker needs to know which lines the tests run.

        Raises:
            DataError: the file lacks the task's focus.
            UnknownNameError: nobody enumerates the edits of that language, or a ranker has no
                table of it.
            SandboxError: the sandbox failed, so nothing is known of the lines.
        """
        key = state.task.benchmark, state.task.id, state.files.key
        if self._last is None or self._last[0] != key:  # else it is another seed's turn
            edits: Sequence[FileEdit] = edits_of(state, self.most)
            spectra: Spectra = {}
            if self.feedback or any(getattr(one, "needs_spectra", False) for one in self.rankers):
                spectra = {path: look(path) for path in dict.fromkeys(one.path for one in edits)}
            found = Combined(self.rankers).log_probs(state, edits, spectra)
            self._last = key, edits, found, spectra
        _, edits, log_probs, spectra = self._last
        numbers = order(log_probs, self._seed)
        test_runs = sum(one.runs for one in spectra.values())
        ordered = [edits[number] for number in numbers]
        return Ranked(ordered, log_probs[numbers], test_runs, spectra)


def make_ranked_policy(
    config: RankedConfig, spaces: Spaces, seed: int = 0, device: str = "cpu"
) -> RankedPolicy:
    """The policy that a config block describes. torch is imported where it asks for the HRM.

    Args:
        config: The block.
        spaces: Those of the environment.
        seed: Of what it draws.
        device: Where the network runs.

    Raises:
        ConfigError: the spaces are not those of the `edit` interface, or the HRM is asked for and
            no checkpoint is named.
        CheckpointError: the checkpoint cannot be read.
    """
    edits_only(spaces, "ranked")
    rankers: list[Ranker] = []
    network: Ranker | None = None
    for name in config.by:
        if name == "frequencies":
            from hrmgym.policies.frequencies import Frequencies

            rankers.append(Frequencies())
        elif name == "spectrum":
            from hrmgym.policies.spectrum import Spectrum

            rankers.append(Spectrum())
        else:
            from hrmgym.policies.fitting import check_spaces
            from hrmgym.policies.hrm import make_hrm_policy
            from hrmgym.policies.hrm_ranking import HRMRanker

            block = HRMPolicyConfig(kind="hrm", checkpoint=config.checkpoint)
            interface = EditInterface(check_spaces(spaces.observation_space, spaces.action_space))
            policy = make_hrm_policy(block, spaces, seed).to(device)
            network = HRMRanker(policy, interface)
    if network is not None and config.shortlist is not None:
        rankers = [Shortlisted(rankers, network, config.shortlist)]
    elif network is not None:
        rankers.append(network)
    return RankedPolicy(rankers, config.most, seed, feedback=config.feedback)
