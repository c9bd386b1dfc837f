"""How large a network is, said before its memory is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from hrmgym.errors import ConfigError
from hrmgym.hrm.config import EditModelConfig

#: Times that training holds each parameter: itself, its gradient, two moments of the optimiser.
TRAINED_COPIES = 4


def num_parameters(config: EditModelConfig, hidden_size: int | None = None) -> int:
    """About how many parameters an `EditModel` has, without its adapters; within a few per cent.

    Args:
        config: The network.
        hidden_size: Another width than the configuration's.
    """
    width = config.hidden_size if hidden_size is None else hidden_size
    stacks = config.L_layers if config.shared_levels else config.H_layers + config.L_layers
    inner = -(-int(2 / 3 * config.expansion * width) // 256) * 256
    block = 4 * width**2 + 3 * width * inner
    heads = 15 * width**2
    return config.vocab_size * width + stacks * block + heads


def check_fits(config: EditModelConfig, copies: int = 1, memory: int | None = None) -> None:
    """Whether a network of that size can be made on this machine.

    Args:
        config: The network.
        copies: Times that each parameter is held; see `TRAINED_COPIES`.
        memory: Bytes; by default this machine's.

    Raises:
        ConfigError: its parameters take more memory than there is.
    """
    memory = machine_memory() if memory is None else memory
    count = num_parameters(config)
    needed = 4 * copies * count
    if needed <= memory:
        return
    why = "weights, gradients and optimiser" if copies > 1 else "weights"
    step = 2 * config.num_heads
    low, high = 0, config.hidden_size // step
    while low < high:  # the largest width that fits
        middle = (low + high + 1) // 2
        fits = 4 * copies * num_parameters(config, middle * step) <= memory
        low, high = (middle, high) if fits else (low, middle - 1)
    nearest = f"the largest hidden_size that does is {low * step:,}" if low else "use fewer layers"
    raise ConfigError(
        f"model: hidden_size={config.hidden_size:,} with {config.H_layers:,} + "
        f"{config.L_layers:,} layers makes about {count:,} parameters; their {why} take "
        f"{needed / 2**30:,.1f} GiB and do not fit into {memory / 2**30:,.1f} GiB of memory; "
        f"{nearest}"
    )


def machine_memory() -> int:
    """Bytes of memory that this machine, or the control group that it runs us in, has."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        return min(found, int(text))
    return found
