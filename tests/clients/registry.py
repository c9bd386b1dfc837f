"""Programs of others that use the environments, each tried by scripts as its users write them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
#: Where the clients' environments lie.
HOME = HERE.parent.parent / "build" / "clients"
_INSTALL_S = 900


@dataclass(frozen=True, slots=True)
class Client:
    """One program.

    Attributes:
        name: As its users call it.
        requires: What pip installs for it, besides what hrmgym needs; empty for what hrmgym has.
        tries: Script below `scripts` -> what it shows, in a few words.
    """

    name: str
    requires: tuple[str, ...]
    tries: dict[str, str]

    @property
    def folder(self) -> Path:
        """Its environment."""
        return HOME / self.name.lower().replace(" ", "-")


class UnavailableError(Exception):
    """The client cannot be installed here."""


def python_of(client: Client) -> Path:
    """The Python that has a client, which is installed at the first call.

    It sees the packages of this Python, hrmgym among them, so that none is installed twice.

    Raises:
        UnavailableError: It cannot be installed.
    """
    if not client.requires:
        return Path(sys.executable)
    python, done = client.folder / "bin" / "python", client.folder / "installed"
    wanted = "\n".join(client.requires)
    if done.exists() and done.read_text("utf-8") == wanted:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(client.folder)])
    place = sysconfig.get_path("purelib", vars={"base": str(client.folder)})
    ours = sysconfig.get_path("purelib")
    # as a folder of packages of its own, so that an editable hrmgym is found too
    Path(place, "hrmgym-packages.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    _run([str(python), "-m", "pip", "install", "--quiet", *client.requires])
    done.write_text(wanted, "utf-8")
    return python


def run(client: Client, script: str, folder: Path, timeout_s: float = 600) -> str:
    """Run one of a client's scripts in an empty folder; what it printed.

    Raises:
        UnavailableError: The client cannot be installed.
        AssertionError: The script has failed.
    """
    return run_script(python_of(client), SCRIPTS / script, folder, timeout_s=timeout_s)


def run_script(
    python: Path,
    script: Path,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> str:
    """Run a script in a folder; what it printed.

    Raises:
        AssertionError: The script has failed.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "SDL_VIDEODRIVER": "dummy", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [str(python), str(script)],
        cwd=folder,
        env=env | dict(variables or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    said = done.stderr[-4000:]
    assert done.returncode == 0, f"{script.name}: exit status {done.returncode}\n{said}"
    return done.stdout


def version_of(client: Client) -> str:
    """The client's own version, as its Python has it; empty where it is no package."""
    name = client.requires[0] if client.requires else client.name
    code = (
        "import sys, importlib.metadata as m\n"
        "print(next((d.version for d in m.distributions(name=sys.argv[1])), ''))"
    )
    bare = name.partition("[")[0].partition("=")[0].partition("<")[0].partition(">")[0]
    return _run([str(python_of(client)), "-c", code, bare]).strip()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"{' '.join(command[1:4])}: {said[-1]}")
    return done.stdout


CLIENTS = (
    Client(
        "Gymnasium",
        (),
        {"gymnasium_wrappers.py": "its checker, wrappers, vector environments, specs"},
    ),
    Client(
        "MoviePy and pygame",
        ("moviepy", "pygame"),
        {"gymnasium_videos.py": "RecordVideo, VecVideoRecorder, HumanRendering, SubprocVecEnv"},
    ),
    Client(
        "Stable-Baselines3",
        (),
        {"sb3_algorithms.py": "its checker, PPO with HRMPolicy, stock PPO, A2C and DQN"},
    ),
    Client(
        "sb3-contrib",
        (),
        {"contrib_algorithms.py": "MaskablePPO by the masks, QR-DQN, recurrent PPO"},
    ),
    Client(
        "RL Zoo",
        ("rl_zoo3",),
        {"rl_zoo_train.py": "`python -m rl_zoo3.train` on an id"},
    ),
    Client(
        "torchrl",
        ("torchrl==0.14.*",),
        {"torchrl_rollout.py": "check_env_specs, rollouts, from_pixels, ParallelEnv"},
    ),
    Client(
        "tianshou",
        ("tianshou==2.0.*",),
        {"tianshou_collect.py": "collectors, a short training of DQN"},
    ),
    Client("CleanRL's loops", (), {"cleanrl_loop.py": "one update by a loop in one file"}),
    Client(
        "Ray",
        ("ray[tune]==2.60.*",),
        {
            "ray_workers.py": "environments in actors",
            "ray_tune_trials.py": "trainings as Tune's trials, by docs/api.md",
            "ray_tune_page.py": "the trials of docs/api.md, to the letter",
            "ray_tune_asha.py": "ASHA ends a trial early, whose training then goes on",
        },
    ),
    Client(
        "Optuna",
        ("optuna==5.*",),
        {
            "optuna_study.py": "trainings in a study, pruned by its pruner, by docs/api.md",
            "optuna_page.py": "the study of docs/api.md, to the letter",
        },
    ),
    Client(
        "Minari",
        ("minari[create,hdf5]==0.5.*",),
        {"minari_collect.py": "episodes with infos kept, read again, environments recovered"},
    ),
    Client(
        "mini-swe-agent",
        ("mini-swe-agent==2.4.*",),
        {"mini_swe_agent_loop.py": "its agent repairs a kata and submits; limits, mistakes"},
    ),
    Client(
        "Jupyter",
        ("nbclient", "ipykernel"),
        {"jupyter_render.py": "`render` in a notebook returns its text and its picture"},
    ),
)
