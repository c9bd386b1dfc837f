"""Writing a checkpoint in 4, 8 or 16 bits, and saying what that costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.errors import CheckpointError, ConfigError
from hrmgym.hrm.checkpoint import (
    WEIGHTS,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from hrmgym.hrm.config import EditModelConfig
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.quantize import BITS, calibrate, carry_cosine, computing_in, pack
from hrmgym.policies.distribution import edit_distribution
from hrmgym.policies.hrm import pick_dtype
from hrmgym.trainers.data.batches import collate
from hrmgym.trainers.data.bug_stream import stdlib_programs
from hrmgym.trainers.data.heldout import is_held_out
from hrmgym.trainers.fixes import Fix, rates, search_fixes
from hrmgym.trainers.job import OnProgress
from hrmgym.trainers.sources import held_out_programs, made_fixes, real_fixes
from hrmgym.trainers.threads import compute_threads, training_threads

#: Numbers of proposals that the cost is measured at, and the one that decides.
KS, DECISIVE = (1, 32, 128), 32
#: Most relative loss of exact fixes among the first `DECISIVE` proposals.
MOST_LOST = 0.05
#: Segments that states are followed for.
SEGMENTS = 4

_CALIBRATION = 128
_ROWS = 16
_MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What quantising did to a network."""

    before: Mapping[str, float]
    """`exact@k` of the checkpoint as it was."""
    after: Mapping[str, float]
    """`exact@k` of the quantised one."""
    fixes: int
    """Held-out fixes that both were asked for."""
    cosines: Sequence[tuple[float, float]]
    """Of (z_H, z_L) to those of the checkpoint as it was, after each segment."""
    bytes_before: int
    """Size of the weights in fp32."""
    bytes_after: int
    """Size of the weights that were written."""

    @property
    def lost(self) -> float | None:
        """Share of the exact fixes among 32 proposals that are lost; None where there were none."""
        name = f"exact@{DECISIVE}"
        return 1 - self.after[name] / self.before[name] if self.before[name] else None


def export(
    checkpoint: Path,
    out: Path,
    bits: int,
    *,
    held_out: int = 64,
    most_lost: float = MOST_LOST,
    on_progress: OnProgress = lambda phase, done, total, text: None,
) -> Cost:
    """Writes a quantised copy of a checkpoint; `load_checkpoint` reads it as any other.

    Calibrated on bugs made in functions of the standard library, and measured on held-out ones and
    on held-out real edits.

    Args:
        checkpoint: Folder to read.
        out: Folder to write; what it holds must be a checkpoint, or nothing.
        bits: 4, 8 or 16.
        held_out: Most fixes of each kind that it is measured on.
        most_lost: As in `export_on`.
        on_progress: Called with (phase, done, total, text) as it goes on.

    Raises:
        CheckpointError: As `export_on` does.
        ConfigError: `bits` is something else.
    """
    _check(checkpoint, out, bits)
    config = load_checkpoint(checkpoint)[0].config
    with compute_threads(training_threads(None, config.hidden_size)):
        return _export(checkpoint, out, bits, config, held_out, most_lost, on_progress)


def _export(
    checkpoint: Path,
    out: Path,
    bits: int,
    config: EditModelConfig,
    held_out: int,
    most_lost: float,
    on_progress: OnProgress,
) -> Cost:
    interface, span = EditInterface(config.max_length), config.max_span
    phase, sets = "making bugs", 2 + (bits < 16)
    on_progress(phase, 0, sets, "")
    seen: list[Fix] = []
    if bits < 16:
        known = [one for one in stdlib_programs(_MAX_LINES) if not is_held_out(one.code)]
        seen = made_fixes(
            known, interface, seed=1, max_span=span, most=_CALIBRATION, group="calibration"
        )
        on_progress(phase, 1, sets, "")
    unknown = held_out_programs(_MAX_LINES)
    fixes = made_fixes(unknown, interface, seed=0, max_span=span, most=held_out)
    on_progress(phase, sets - 1, sets, "")
    fixes += real_fixes("valid", interface, max_span=span)[:held_out]
    on_progress(phase, sets, sets, "")
    return export_on(
        checkpoint, out, bits, seen, fixes, most_lost=most_lost, on_progress=on_progress
    )


def export_on(
    checkpoint: Path,
    out: Path,
    bits: int,
    seen: Sequence[Fix],
    fixes: Sequence[Fix],
    *,
    most_lost: float = MOST_LOST,
    on_progress: OnProgress = lambda phase, done, total, text: None,
) -> Cost:
    """As `export`, calibrated on the fixes `seen` and measured on `fixes`.

    Args:
        checkpoint: Folder to read.
        out: Folder to write.
        bits: 4, 8 or 16.
        seen: What to calibrate on; nothing is needed for 16 bits.
        fixes: What to measure on.
        most_lost: Largest share of the exact fixes among the first `DECISIVE` proposals that may
            be lost.
        on_progress: Called with (phase, done, total, text) as it goes on.

    Raises:
        CheckpointError: The checkpoint cannot be read, `out` is the same folder, or more than
            `most_lost` is lost; nothing has been written then.
        ConfigError: `bits` is something else.
    """
    _check(checkpoint, out, bits)
    model, extra = load_checkpoint(checkpoint)
    interface = EditInterface(model.config.max_length)
    card = read_card(checkpoint) + _note(bits)
    moments = None
    if bits < 16:
        told = _told(on_progress, "calibrating", len(seen))
        moments = calibrate(model, lambda copy: drive(copy, seen, told))
    packed = pack(model, bits, moments)
    with tempfile.TemporaryDirectory() as scratch:
        sizes = []
        for kind, tensors in (("plain", None), ("quantised", packed)):
            save_checkpoint(Path(scratch) / kind, model, card, extra, tensors)
            sizes.append((Path(scratch) / kind / WEIGHTS).stat().st_size)
        small = load_checkpoint(Path(scratch) / "quantised")[0]
    dtype = pick_dtype("auto")  # the stored one may be many times slower here
    before, after = (
        rates(
            search_fixes(
                computing_in(dtype, one),
                fixes,
                interface,
                ks=KS,
                on_done=_told(on_progress, f"measuring {what}", len(fixes)),
            ),
            KS,
        )
        for one, what in ((model, "the checkpoint"), (small, "the copy"))
    )
    cost = Cost(
        before=before,
        after=after,
        fixes=len(fixes),
        cosines=carry_cosine(model, small, _inputs(fixes[:_ROWS]), SEGMENTS),
        bytes_before=sizes[0],
        bytes_after=sizes[1],
    )
    if cost.lost is not None and cost.lost > most_lost:
        name = f"exact@{DECISIVE}"
        raise CheckpointError(
            f"{checkpoint}: {bits} bits lose {cost.lost:.1%} of the exact fixes among {DECISIVE} "
            f"proposals ({before[name]:.3f} to {after[name]:.3f}), more than {most_lost:.0%}; use "
            "--bits 8, or --force to write it all the same"
        )
    save_checkpoint(out, model, card, extra, packed)
    return cost


def drive(
    model: EditModel, fixes: Sequence[Fix], on_done: Callable[[int], None] = lambda done: None
) -> None:
    """Runs all of a network, its heads too, over fixes and their repairs."""
    for at in range(0, len(fixes), _ROWS):
        batch = collate([fix.sample for fix in fixes[at : at + _ROWS]])
        actions = batch.pop("action")
        edit_distribution(model, model.encode(batch), batch).evaluate(actions.long())
        on_done(min(at + _ROWS, len(fixes)))


def _told(on_progress: OnProgress, phase: str, total: int) -> Callable[[int], None]:
    """Tells of a phase, by the number of fixes that are done."""
    return lambda done: on_progress(phase, done, total, "")


def cost_lines(cost: Cost) -> list[str]:
    """The cost in words."""
    lines = [
        f"weights: {cost.bytes_before / 1e6:.2f} MB in fp32, {cost.bytes_after / 1e6:.2f} MB now "
        f"(1/{cost.bytes_before / cost.bytes_after:.2f})"
    ]
    for name, value in cost.before.items():
        if name.startswith("exact@"):
            lines.append(
                f"{name} on {cost.fixes} held-out fixes: {value:.3f} before, "
                f"{cost.after[name]:.3f} after"
            )
    for number, (z_H, z_L) in enumerate(cost.cosines, start=1):
        lines.append(f"cosine after segment {number}: z_H {z_H:.5f}, z_L {z_L:.5f}")
    if cost.lost is None:
        lines.append("relative loss: not known, for the checkpoint itself fixed none of them")
    else:
        lines.append(f"relative loss of exact@{DECISIVE}: {cost.lost:.1%}")
    return lines


def _check(checkpoint: Path, out: Path, bits: int) -> None:
    if bits not in BITS:
        raise ConfigError(f"--bits {bits}: expected one of {', '.join(map(str, BITS))}")
    if out.resolve() == checkpoint.resolve():
        raise CheckpointError(f"{out}: the checkpoint itself; choose another folder")


def _inputs(fixes: Sequence[Fix]) -> dict[str, Any]:
    batch = collate([fix.sample for fix in fixes])
    del batch["action"]
    return batch


def _note(bits: int) -> str:
    if bits == 16:
        return "\n## Precision\n\nWeights in fp16.\n"
    return f"\n## Quantised\n\nWeights in {bits} bits, one scale for 32; activations are not.\n"
