"""What `hrmgym doctor` prints: versions, device, sandbox layers, benchmark data."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator, Sequence

from hrmgym.envs.benchmark import catalogue
from hrmgym.envs.benchmarks.data import DATA_VARIABLE, DataSource, candidates
from hrmgym.envs.sandboxes.local.probe import Layer, probe
from hrmgym.envs.sandboxes.remote.available import deployments
from hrmgym.errors import SandboxError
from hrmgym.experiments.run import cpu_name, versions
from hrmgym.listing import print_columns


def report() -> None:
    """Prints everything. It changes nothing and fetches nothing."""
    print("versions")
    print_columns([(f"  {name}", text or "not installed") for name, text in versions().items()])
    print("\nmachine")
    print_columns(
        [
            ("  system", platform.platform()),
            ("  processor", f"{cpu_name()}, {os.cpu_count()} cores"),
            ("  device", device()),
        ]
    )
    print("\nlocal sandbox")
    try:
        layers = probe()
    except SandboxError as error:
        print(f"  {error}")
    else:
        print_columns([(f"  {layer.name}", *_verdict(layer)) for layer in layers])
        print("  (* the local sandbox does not start without it)")
        print(f"  {sandbox_summary(layers)}")
    print("\nother sandboxes")
    print_columns(
        [(f"  {one.name}", "ok" if one.ready else "no", one.detail) for one in deployments()]
    )
    print(f"\nbenchmark data ({DATA_VARIABLE}={os.environ.get(DATA_VARIABLE, '')})")
    print_columns([(f"  {name}", text) for name, text in data()])


def device() -> str:
    """What `device: auto` takes, with the accelerator's name."""
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def sandbox_summary(layers: Sequence[Layer]) -> str:
    """Whether the local sandbox starts here, and what to do where it does not."""
    if not layers:
        return "nothing is known that isolates on this system; use sandbox=docker"
    lacking = [layer.name for layer in layers if layer.required and not layer.holds]
    if not lacking:
        return "foreign code is isolated here"
    left = [layer.name for layer in layers if layer.used]
    return (
        f"the local sandbox refuses to start without: {', '.join(lacking)}; use "
        "sandbox=docker, or accept the risk with sandbox.allow_unisolated=true: foreign code then "
        f"runs as an ordinary process of this user, held by {', '.join(left) or 'nothing'}"
        + _UNISOLATED
        * ("landlock" in left)
    )


#: What Landlock and the filter of system calls mean together.
_UNISOLATED = (
    ". It can read the system's programs, write in a temporary folder of its own, and open no"
    " socket and no shared memory; it can see this machine's processes, and change the modes of"
    " this user's files"
)


def data() -> Iterator[tuple[str, str]]:
    """For each benchmark: where its data is, or where it would come from."""
    for entry in catalogue().values():
        module = importlib.import_module(entry.entry_point.partition(":")[0])
        sources = [one for one in vars(module).values() if isinstance(one, DataSource)]
        if not sources:
            yield entry.name, getattr(module, "DATA", "needs no download")
        for source in sources:
            found = [folder for folder in candidates(source) if folder.is_dir()]
            yield entry.name, str(found[0]) if found else f"fetched at first use: {source.url}"


def _verdict(layer: Layer) -> tuple[str, str, str]:
    star = "*" if layer.required else ""
    if not layer.holds:
        return f"{'MISSING' if layer.required else 'missing'}{star}", "", layer.detail
    return f"ok{star}", "used" if layer.used else "not used", layer.detail
