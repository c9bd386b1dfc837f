"""mini-swe-agent: its agent repairs katas in a shell environment, as docs/environments.md shows.

Its deterministic model replays given answers: nothing is asked over the network.
"""

import json
import os
import platform
from pathlib import Path

os.environ["MSWEA_GLOBAL_CONFIG_DIR"] = str(Path.cwd() / "config")

import gymnasium as gym
from minisweagent.agents.default import DefaultAgent
from minisweagent.config import get_config_from_spec
from minisweagent.exceptions import Submitted
from minisweagent.models.test_models import (
    DeterministicModel,
    DeterministicToolcallModel,
    make_output,
    make_toolcall_output,
)

import hrmgym  # noqa: F401
from hrmgym.errors import ActionError


class ShellEpisode:
    def __init__(self, env):
        self.env, self.config = env, None

    def execute(self, action, cwd=""):
        done = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT" in action["command"]
        try:
            text, _, ended, cut, info = self.env.step("submit" if done else action["command"])
        except ActionError as error:  # the command is too long
            return {"output": "", "returncode": -1, "exception_info": str(error)}
        if ended or cut:
            status = "Submitted" if ended else info["failure"] or "LimitsExceeded"
            extra = {"exit_status": status, "submission": "", **info}
            raise Submitted({"role": "exit", "content": text, "extra": extra})
        code = -1 if info["refused"] else max(info["exit_code"], 0)
        return {"output": text, "returncode": code, "exception_info": info["refused"]}

    def get_template_vars(self, **kwargs):
        return platform.uname()._asdict()

    def serialize(self):
        return {}


def run_episode(env, model, **settings):
    prompt, _ = env.reset(seed=0)
    settings = get_config_from_spec("mini")["agent"] | settings
    return DefaultAgent(model, ShellEpisode(env), **settings).run(prompt)


LOOK = "cat smooth_median.py"
REPAIR = "sed -i 's/= smooth\\[i - 1/= values[i - 1/' smooth_median.py && grep -c values *.py"
FINISH = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
SAVED = Path("trajectory.json")


def answers(*commands):
    outputs = [make_output("Next.", [{"command": command}], cost=0.0) for command in commands]
    return DeterministicModel(outputs=outputs, cost_per_call=0.0)


def tool_calls(*commands):
    outputs = []
    for number, command in enumerate(commands):
        call = {"command": command, "tool_call_id": f"call_{number}"}
        outputs.append(make_toolcall_output("Next.", [], [call]))
    return DeterministicToolcallModel(outputs=outputs, cost_per_call=0.0)


def make(**options):
    options = {"max_steps": 50, "auto_test": False, "auto_submit": False} | options
    return gym.make("hrmgym/Katas-v0", interface="shell", task="smooth_median/hand-2", **options)


def seen():
    """What the model was shown, in the last run that was saved."""
    return [message["content"] for message in json.loads(SAVED.read_text())["messages"]]


with make() as env:
    result = run_episode(env, answers(LOOK, "test", REPAIR, "test", "submit"), output_path=SAVED)
    assert result["is_success"] is True
    assert result["exit_status"] == "Submitted"
    _, task, _, look, _, first, _, repair, _, second, _, _ = seen()
    assert "Replace every value by the median" in task
    assert "def smooth_median(values):" in look
    assert "visible tests: 2/4 tests pass" in first
    assert "<returncode>0</returncode>\n<output>\n4" in repair
    assert "visible tests: 4/4 tests pass" in second

    # what mini-swe-agent tells models to end with
    result = run_episode(env, tool_calls(REPAIR, FINISH))
    assert (result["exit_status"], result["is_success"]) == ("Submitted", True)
    # it has changed nothing, and says that it is done
    result = run_episode(env, answers(LOOK, FINISH))
    assert (result["exit_status"], result["is_success"]) == ("Submitted", False)
    # mistakes are shown, and the episode goes on
    wrong = ("(exit 3)", "\0", "#" * 20_000, REPAIR, "submit")
    result = run_episode(env, answers(*wrong), output_path=SAVED)
    assert result["is_success"] is True
    _, _, _, failed, _, refused, _, long, *_ = seen()
    assert "<returncode>3</returncode>" in failed
    assert "<exception>the command is empty" in refused
    assert "<exception>a shell action is a str of at most" in long
    # the agent's own limit: the episode has not ended, and is graded as it is
    result = run_episode(env, answers(REPAIR, LOOK), step_limit=1)
    assert (result["exit_status"], result.get("is_success")) == ("LimitsExceeded", None)
    assert env.step("submit")[-1]["is_success"] is True

with make(max_steps=2) as env:
    result = run_episode(env, answers(LOOK, REPAIR, "submit"))
    assert (result["exit_status"], result["is_success"]) == ("LimitsExceeded", False)
