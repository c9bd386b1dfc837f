"""How fast the network is: the training step against the published one, one decision, memory.

    python benchmarks/model.py --json

Both training steps run in turn in one process, from the same weights over the same batches, after
it has been asserted that loss and gradients agree. Peak memory is that of processes of their own.
Run it on a quiet machine: it takes about two minutes, and twelve where the processor does not
multiply bf16, since the published step then does so in software.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from model_decision import peak_rss_mb
from model_published import Published
from torch import Tensor

from hrmgym.hrm.checkpoint import load_official
from hrmgym.hrm.config import HRMConfig
from hrmgym.hrm.losses import act_loss
from hrmgym.hrm.model import HRM
from hrmgym.hrm.optim import AdamATan2

BATCH, LENGTH = 8, 81
RELEASED: dict[str, Any] = {
    "batch_size": BATCH,
    "seq_len": LENGTH,
    "puzzle_emb_ndim": 512,
    "num_puzzle_identifiers": 4,
    "vocab_size": 11,
    "H_cycles": 2,
    "L_cycles": 2,
    "H_layers": 4,
    "L_layers": 4,
    "hidden_size": 512,
    "expansion": 4,
    "num_heads": 8,
    "pos_encodings": "rope",
    "halt_max_steps": 16,
    "halt_exploration_prob": 0.1,
    "forward_dtype": "float32",
}
LEARNING_RATE, DECAY = 1e-4, 0.1
#: Most relative difference of the loss, and of any gradient in norm. In bfloat16 the two round at
#: different places, and the recursion amplifies it.
TOLERANCE = {"float32": (1e-5, 1e-3), "bfloat16": (2e-2, 0.5)}


def released_model(dtype: str, changes: dict[str, Any] | None = None) -> HRM:
    """The released configuration with random weights, the Q head's and puzzle table's too."""
    torch.manual_seed(0)
    model = HRM(HRMConfig(**{**RELEASED, **(changes or {}), "forward_dtype": dtype}))
    with torch.no_grad():
        model.inner.q_head.weight.normal_(std=0.05)
        model.inner.puzzle_emb.weights.normal_(std=0.3)
    return model.train()


def batches(config: HRMConfig, number: int) -> list[dict[str, Tensor]]:
    """Random puzzles, a fifth of their labels not counted."""
    generator = torch.Generator().manual_seed(1)
    shape = (config.batch_size, config.seq_len)
    made = []
    for _ in range(number):
        labels = torch.randint(1, config.vocab_size, shape, generator=generator)
        labels[torch.rand(shape, generator=generator) < 0.2] = -100
        made.append(
            {
                "inputs": torch.randint(1, config.vocab_size, shape, generator=generator),
                "labels": labels,
                "puzzle_identifiers": torch.randint(
                    config.num_puzzle_identifiers, shape[:1], generator=generator
                ),
            }
        )
    return made


class Ours:
    """A training step of the project."""

    def __init__(self, model: HRM, first: dict[str, Tensor]) -> None:
        self.model, self.carry = model, model.initial_carry(first)
        self.optimizer = AdamATan2(model.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        result = act_loss(self.model, self.carry, batch)
        self.carry = result.carry
        return result.loss

    def update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.model.inner.puzzle_emb.step(LEARNING_RATE, DECAY)

    def gradients(self) -> dict[str, Tensor]:
        return {n: p.grad for n, p in self.model.inner.named_parameters() if p.grad is not None}


class Theirs:
    """A training step as published."""

    def __init__(self, published: Published, first: dict[str, Tensor]) -> None:
        self.published, self.carry = published, published.initial_carry(first)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        self.carry, loss = self.published.loss(self.carry, batch)
        return loss

    def update(self) -> None:
        self.published.update(LEARNING_RATE, DECAY)
        ids = self.carry["puzzle_identifiers"]
        self.published.update_puzzles(ids, LEARNING_RATE, DECAY)

    def gradients(self) -> dict[str, Tensor]:
        return {n: p.grad for n, p in self.published.weights.items() if p.grad is not None}


def both(dtype: str, changes: dict[str, Any] | None = None) -> tuple[Ours, Theirs]:
    """The two from equal weights."""
    model = released_model(dtype, changes)
    config = {**RELEASED, **(changes or {}), "forward_dtype": dtype}
    weights = {name: tensor.clone() for name, tensor in model.inner.state_dict().items()}
    first = batches(model.config, 1)[0]
    ours = Ours(load_official(weights, config).train(), first)
    return ours, Theirs(Published(weights, config), first)


def compare(ours: Ours, theirs: Theirs, first: dict[str, Tensor]) -> None:
    """One step of each, whose loss and gradients must agree.

    Raises:
        SystemExit: They differ by more than `TOLERANCE`.
    """
    losses = []
    for side in (ours, theirs):
        torch.manual_seed(2)
        loss = side.forward(first)
        loss.backward()
        losses.append(loss.item())
    dtype = ours.model.config.forward_dtype
    loss_bound, gradient_bound = TOLERANCE[dtype]
    apart = abs(losses[0] / losses[1] - 1)
    expected = theirs.gradients()
    found = ours.gradients()
    if found.keys() != expected.keys():
        raise SystemExit(f"gradients of {found.keys() ^ expected.keys()} on one side only")
    worst = max(
        float((found[name] - wanted).norm() / wanted.norm()) for name, wanted in expected.items()
    )
    if apart > loss_bound or worst > gradient_bound:
        raise SystemExit(f"{dtype}: not the same step: loss by {apart:.1e}, gradient {worst:.1e}")
    print(f"{dtype}: loss differs by {apart:.1e}, worst gradient by {worst:.1e}", file=sys.stderr)
    for side in (ours, theirs):
        side.update()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure_steps(dtype: str, repeat: int) -> dict[str, float]:
    """Medians over steps that alternate between the two."""
    ours, theirs = both(dtype)
    compare(ours, theirs, batches(ours.model.config, 1)[0])
    stream = batches(ours.model.config, repeat + 2)
    parts: dict[str, list[list[float]]] = {"ours": [], "published": []}
    for number, batch in enumerate(stream):
        for name, side in (("ours", ours), ("published", theirs)):
            forward, loss = timed(lambda side=side, batch=batch: side.forward(batch))
            backward, _ = timed(loss.backward)
            update, _ = timed(side.update)
            if number >= 2:  # the first fill caches
                parts[name].append([forward, backward, update])
    short = "fp32" if dtype == "float32" else "bf16"
    whole = {name: statistics.median(map(sum, rows)) for name, rows in parts.items()}
    pairs = zip(parts["ours"], parts["published"], strict=True)
    found = {
        f"train_step_ratio_{short}": whole["ours"] / whole["published"],
        f"train_step_ratio_paired_{short}": statistics.median(sum(a) / sum(b) for a, b in pairs),
        f"train_step_s_{short}": whole["ours"],
        f"train_tokens_per_s_{short}": BATCH * LENGTH / whole["ours"],
        f"published_step_s_{short}": whole["published"],
    }
    for name, rows in parts.items():
        for at, part in enumerate(("forward", "backward", "update")):
            found[f"{name}_{part}_s_{short}"] = statistics.median(row[at] for row in rows)
    return found


def measure_decision(*options: str) -> dict[str, float]:
    """What `model_decision.py` prints, from a process of its own."""
    script = Path(__file__).with_name("model_decision.py")
    command = [sys.executable, str(script), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_training_memory(dtype: str) -> float:
    """Peak memory in MB of a process that does nothing but our training step."""
    command = [sys.executable, __file__, "--only-train", dtype]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def train_alone(dtype: str) -> None:
    """Three training steps of the released configuration; prints the peak memory in MB."""
    model = released_model(dtype)
    stream = batches(model.config, 3)
    side = Ours(model, stream[0])
    for batch in stream:
        side.forward(batch).backward()
        side.update()
    print(peak_rss_mb())


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--repeat", type=int, default=11, help="steps of each kind")
    parser.add_argument("--only-train", choices=TOLERANCE, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only_train:
        train_alone(chosen.only_train)
        return
    found: dict[str, float] = {}
    for dtype in TOLERANCE:
        found |= measure_steps(dtype, chosen.repeat)
    found["params"] = sum(p.numel() for p in released_model("float32").parameters())
    least, most = measure_decision(), measure_decision("--halts", "never")
    rounded = measure_decision("--products", "int8")
    found["decision_s_27m"] = least["decision_s"]
    found["decision_s_27m_int8"] = rounded["decision_s"]
    found["decision_s_27m_16_segments"] = most["decision_s"]
    found["decision_params"] = least["params"]
    found["decision_recursion_params"] = least["recursion_params"]
    found["decision_rss_mb_27m"] = least["peak_rss_mb"]
    found["decision_rss_mb_27m_int8"] = rounded["peak_rss_mb"]
    trained = {dtype: measure_training_memory(dtype) for dtype in TOLERANCE}
    found["train_rss_mb_27m_fp32"] = trained["float32"]
    found["train_rss_mb_27m_bf16"] = trained["bfloat16"]
    found["peak_rss_mb_27m"] = max(least["peak_rss_mb"], most["peak_rss_mb"], *trained.values())
    found["threads"] = torch.get_num_threads()
    if chosen.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40}{value:12.4f}")


if __name__ == "__main__":
    main()
