"""The loaders of checkpoints and of what a training is resumed from."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.env_util import make_vec_env

from hrmgym.hrm.checkpoint import load_checkpoint, read_card, save_checkpoint
from hrmgym.hrm.quantize import pack
from hrmgym.tests import learning
from hrmgym.tests.fuzzing import mutations
from hrmgym.tests.fuzzing.fuzzing import Loader
from hrmgym.trainers.best import Best
from hrmgym.trainers.curriculum import Curriculum
from hrmgym.trainers.events import drop_after, make_logger
from hrmgym.trainers.ppo import resumed_ppo, train_ppo

Make = Callable[[Path], Path]


def _checkpoint(name: str, bits: int = 0) -> Make:
    """Makes a checkpoint, and names one of its files."""

    def make(folder: Path) -> Path:
        model = learning.network().eval()
        save_checkpoint(folder / "saved", model, "# A card\n", {"samples": 3}, packed(bits))
        return folder / "saved" / name

    @cache
    def packed(bits: int) -> Any:
        return pack(learning.network().eval(), bits) if bits else None

    return make


def _load(path: Path) -> object:
    return load_checkpoint(path.parent)


def _best(folder: Path) -> Path:
    path = folder / "best" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"extra": {"best_success_rate": 0.5, "samples": 3}}))
    return path


def _offer(path: Path) -> object:
    best = Best(path.parents[1], ("success_rate", "mean_reward"), lambda name, more: None)
    return best.offer({"success_rate": 0.4, "mean_reward": 1.0})


def _curriculum(folder: Path) -> Path:
    made = Curriculum("reverse", 0)
    for task in ("double", "clamp"):
        made.add(task, True)
        made.report(made.draw(), True)
    made.save(folder / "curriculum.json")
    return folder / "curriculum.json"


def _take_up(path: Path) -> object:
    made = Curriculum("reverse", 0)
    for task in ("double", "clamp"):
        made.add(task, True)
    made.load(path)
    starts = [made.draw() for _ in range(20)]
    assert {start.task for start in starts} <= {"double", "clamp"}
    return made.metrics()


def _state(folder: Path) -> Path:
    path = folder / "pretrain.pt"
    learning.learner().save(path)
    return path


def _resume(path: Path) -> object:
    return learning.learner().load(path)


def _torch_file(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return mutations.bytes_of(data, rng)
    state = torch.load(io.BytesIO(data), weights_only=True)
    out = io.BytesIO()
    torch.save(mutations.value_of(state, rng), out)
    return out.getvalue()


@cache
def _env() -> Any:
    return make_vec_env(lambda: learning.ppo_job(Path()).make_env("train"), n_envs=2, seed=0)


@cache
def _trained(folder: str) -> bytes:
    path = Path(folder)
    train_ppo(learning.ppo_job(path))
    return (path / "checkpoints" / "ppo.zip").read_bytes()


def _ppo(folder: Path) -> Path:
    path = folder / "ppo.zip"
    path.write_bytes(_trained(str(folder.parent / "trained")))
    return path


def _zip(data: bytes, rng: random.Random) -> bytes:
    """Members left out, emptied, or broken; or the bytes of all are broken."""
    if rng.random() < 0.3:
        return mutations.bytes_of(data, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        broken = rng.choice(names)
        for name in names:
            body = old.read(name)
            if name == broken:
                how = rng.randrange(3)
                if how == 0:
                    continue
                is_json = name == "data" and how == 1
                body = (mutations.json_file if is_json else mutations.bytes_of)(body, rng)
            new.writestr(name, body)
    return out.getvalue()


def _events(folder: Path) -> Path:
    logger = make_logger(folder)
    for step in range(8):
        logger.record("a/b", float(step))
        logger.dump(step)
    logger.close()
    (made,) = folder.glob("events*")
    return made.rename(folder / "events.out.tfevents.1")


TORCH: dict[str, Loader] = {
    "config.json": Loader(_checkpoint("config.json"), mutations.json_file, _load, names="saved"),
    "model.safetensors": Loader(
        _checkpoint("model.safetensors"), mutations.safetensors, _load, names="saved", line=False
    ),
    "quantised-config": Loader(
        _checkpoint("config.json", 8), mutations.json_file, _load, names="saved"
    ),
    "quantised": Loader(
        _checkpoint("model.safetensors", 8), mutations.safetensors, _load, "saved", line=False
    ),
    "README.md": Loader(
        _checkpoint("README.md"), mutations.bytes_of, lambda p: read_card(p.parent), line=False
    ),
    "best": Loader(_best, mutations.json_file, _offer),
    "curriculum.json": Loader(_curriculum, mutations.json_file, _take_up),
    "pretrain.pt": Loader(_state, _torch_file, _resume, line=False),
    "ppo.zip": Loader(_ppo, _zip, lambda path: resumed_ppo(path, _env(), "cpu"), line=False),
    "events": Loader(_events, mutations.bytes_of, lambda p: drop_after(p.parent, 2e9), line=False),
}
