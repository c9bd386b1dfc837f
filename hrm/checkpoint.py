"""Reading and writing weights: the project's own folders, and the released HRM.

A checkpoint is a folder with `config.json`, `model.safetensors` and `README.md` (the model card).
Neither reader runs code from a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hrmgym.config import expand_home, is_file, is_folder, read_block
from hrmgym.errors import CheckpointError, UserError, did_you_mean, first_line
from hrmgym.hrm.config import EditModelConfig, HRMConfig, Mark, marked
from hrmgym.hrm.edit_model import EditModel
from hrmgym.hrm.model import HRM
from hrmgym.hrm.quantize import Packed, unpack
from hrmgym.hrm.size import check_fits
from hrmgym.jsonfile import read_object, shown

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
#: What names of checkpoints begin with that come with the package.
SHIPPED = "hrmgym:"
KIND, FORMAT = "hrmgym.EditModel", 1

C = TypeVar("C", HRMConfig, EditModelConfig)


# --- the released HRM ----------------------------------------------------------------------------


def load_official(state_dict: Mapping[str, Tensor], config: Mapping[str, Any]) -> HRM:
    """HRM with released weights.

    Args:
        state_dict: tensors by their released names, with or without the prefixes that the ACT
            wrapper (`inner.`), the loss head and `torch.compile` (`_orig_mod.model.inner.`) add.
        config: the released configuration (keys of `HRMConfig`), its `name` and `loss` allowed; its
            `causal` must be false and its loss stablemax.

    Raises:
        CheckpointError: when a key of either is unknown, missing, or not what is expected.
    """
    settings = dict(config)
    if settings.pop("causal", False):
        raise CheckpointError("config: causal: found true, expected false")
    settings.pop("name", None)
    loss = settings.pop("loss", None)
    loss_type = loss.get("loss_type") if isinstance(loss, Mapping) else loss
    if loss_type not in (None, "stablemax_cross_entropy"):
        raise CheckpointError(
            f"config: loss: found {loss_type!r}, expected 'stablemax_cross_entropy'"
        )
    model = HRM(_config_from(HRMConfig, settings, "config"))
    stripped: dict[str, Any] = {}
    for key, value in state_dict.items():
        name = key.removeprefix("_orig_mod.").removeprefix("model.").removeprefix("inner.")
        if name in stripped:
            raise CheckpointError(f"state_dict: {name}: found twice, expected once")
        stripped[name] = value
    _load_tensors(model.inner, stripped, "state_dict")
    return model


# --- folders -------------------------------------------------------------------------------------


def save_checkpoint(
    folder: str | Path,
    model: EditModel,
    card: str,
    extra: Mapping[str, Any],
    packed: Packed | None = None,
) -> None:
    """Writes a checkpoint; what the folder held before is replaced as a whole.

    All files are written beside the folder and moved into place together, so that a reader never
    meets half of one.

    Args:
        folder: where to; its parents are made.
        model: the network.
        card: text of the model card.
        extra: anything JSON can hold, given back by `load_checkpoint`.
        packed: the network's weights, quantised, to be written in place of its own.

    Raises:
        CheckpointError: when `extra` is not JSON, or something that is no checkpoint is there.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / CONFIG).is_file() and _occupied(folder):
        raise CheckpointError(f"{folder}: exists and is not a checkpoint; choose another folder")
    try:
        text = json.dumps(
            {
                "kind": KIND,
                "format": FORMAT,
                "model": model.config.model_dump(),
                "extra": dict(extra),
                **({"quantised": packed.description} if packed else {}),
            },
            indent=2,
            allow_nan=False,
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: extra is not JSON: {error}") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (fresh / CONFIG).write_text(text + "\n", encoding="utf-8")
        (fresh / CARD).write_text(card, encoding="utf-8")
        tensors = packed.tensors if packed else model.state_dict()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(tensors, fresh / WEIGHTS)
        fresh.chmod(0o755)  # mkdtemp's own mode would hide it from other users
        for name in (CONFIG, CARD, WEIGHTS):
            with (fresh / name).open("rb") as file:
                os.fsync(file.fileno())
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def shipped_checkpoints(root: Path | None = None) -> dict[str, Path]:
    """The checkpoints that come with the package: `hrmgym:<name>` -> folder.

    Args:
        root: where they are; by default in the package.
    """
    root = root or Path(str(resources.files("hrmgym.hrm"))) / "checkpoints"
    found = sorted(root.iterdir()) if root.is_dir() else []
    return {SHIPPED + path.name: path for path in found if (path / CONFIG).is_file()}


def checkpoint_folder(folder: str | Path, root: Path | None = None) -> Path:
    """The folder of a checkpoint: a path, or `hrmgym:<name>` of one that comes with the package.

    Args:
        folder: path or name.
        root: as for `shipped_checkpoints`.

    Raises:
        CheckpointError: no checkpoint of that name comes with the package.
    """
    if not str(folder).startswith(SHIPPED):
        return Path(expand_home(folder))
    known = shipped_checkpoints(root)
    if str(folder) not in known:
        raise CheckpointError(f"no checkpoint {str(folder)!r}{did_you_mean(str(folder), known)}")
    return known[str(folder)]


def load_checkpoint(folder: str | Path) -> tuple[EditModel, dict[str, Any]]:
    """The network, on the CPU and in evaluation mode, and the `extra` it was saved with.

    Args:
        folder: A path, or the name of a checkpoint that comes with the package: `hrmgym:hrm-small`.

    Raises:
        CheckpointError: when the folder or a file is missing or broken, or is another model's.
    """
    folder = checkpoint_folder(folder)
    path = _existing(folder, CONFIG)
    found = read_object(path, CheckpointError)
    for key, expected in (("kind", KIND), ("format", FORMAT)):
        if found.get(key) != expected:
            told = shown(found.get(key))
            raise CheckpointError(f"{path}: {key}: found {told}, expected {expected!r}")
    settings, extra = found.get("model"), found.get("extra")
    if not isinstance(settings, dict) or not isinstance(extra, dict):
        raise CheckpointError(f"{path}: 'model' and 'extra' must both be there, as objects")
    config = _config_from(EditModelConfig, settings, f"{path}: model")
    weights = _existing(folder, WEIGHTS)
    try:
        tensors = load_file(weights)
    except Exception as error:  # the library's own, and Python's for some broken headers
        raise CheckpointError(f"{weights}: not a safetensors file: {first_line(error)}") from error
    shapes = _shapes(config, len(tensors), f"{path}: model")
    if "quantised" in found:  # unpacked once, here: the network computes as any other
        tensors = unpack(tensors, found["quantised"], shapes, str(weights))
    _compare(shapes, tensors, str(weights))
    model = EditModel(config)
    _load_tensors(model, tensors, str(weights))
    return model.eval(), extra


def read_card(folder: str | Path) -> str:
    """The text of a checkpoint's model card.

    Raises:
        CheckpointError: it is missing or broken.
    """
    path = _existing(checkpoint_folder(folder), CARD)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CheckpointError(f"{path}: cannot be read: {reason}") from None


def checkpoint_hash(folder: str | Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a checkpoint's weights file.

    Raises:
        CheckpointError: when there is none.
    """
    with _existing(checkpoint_folder(folder), WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


# --- parts ---------------------------------------------------------------------------------------


def _existing(folder: Path, name: str) -> Path:
    if not is_folder(folder):
        raise CheckpointError(f"{folder}: no such folder")
    path = folder / name
    if not is_file(path):
        raise CheckpointError(f"{folder}: no file {name!r}")
    return path


def _occupied(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _swap(fresh: Path, folder: Path) -> None:
    """Puts a finished folder in place; the old one is back if that fails."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    folder.replace(old)  # onto an empty folder, which POSIX allows
    try:
        fresh.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old)


def _shapes(config: EditModelConfig, most: int, where: str) -> dict[str, Tensor]:
    """A network's tensors without memory, so that no wrong size is asked of the machine.

    Args:
        config: The network.
        most: Tensors that its file has; no network has fewer than layers.
        where: What messages begin with.
    """
    for key in ("H_layers", "L_layers"):
        if getattr(config, key) > most:
            told = shown(getattr(config, key))
            raise CheckpointError(f"{where}: {key}: found {told}, but the weights are of fewer")
    try:
        check_fits(config)
        with torch.device("meta"):
            return EditModel(config).state_dict()
    except (RuntimeError, OverflowError, TypeError, ValueError) as error:  # ConfigError is one
        raise CheckpointError(f"{where}: makes no network: {first_line(error)}") from error


def _config_from(kind: type[C], settings: Mapping[str, Any], where: str) -> C:
    for key in marked(kind, Mark.STATED):
        if key not in settings:
            raise CheckpointError(f"{where}: {key}: required, and missing")
    try:
        return read_block(kind, settings, where)
    except UserError as error:
        raise CheckpointError(str(error)) from error


def _load_tensors(module: nn.Module, tensors: Mapping[str, Any], where: str) -> None:
    """Copies tensors into a module after every name and shape has been compared."""
    expected = module.state_dict()
    _compare(expected, tensors, where)
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(tensors[name])


def _compare(expected: Mapping[str, Tensor], tensors: Mapping[str, Any], where: str) -> None:
    """Refuses tensors that are not those, by name and shape, that a network has."""
    for name, tensor in expected.items():
        if name not in tensors:
            raise CheckpointError(f"{where}: {name}: missing, expected shape {list(tensor.shape)}")
        found = tensors[name]
        if not isinstance(found, Tensor) or not found.is_floating_point():
            kind = found.dtype if isinstance(found, Tensor) else type(found).__name__
            raise CheckpointError(f"{where}: {name}: found {kind}, expected a float tensor")
        if found.shape != tensor.shape:
            raise CheckpointError(
                f"{where}: {name}: found shape {list(found.shape)}, expected {list(tensor.shape)}"
            )
    for name in tensors:
        if name not in expected:
            raise CheckpointError(f"{where}: {name}: unknown tensor{did_you_mean(name, expected)}")
