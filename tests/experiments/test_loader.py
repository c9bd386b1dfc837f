"""From files and overrides to experiments: merging, sweeps, and the line of every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrmgym.errors import ConfigError
from hrmgym.experiments.loader import expand, find, load, resolved, shipped
from hrmgym.experiments.schema import Experiment

START = "name: a\nbenchmark: katas\npolicy: {kind: hrm}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Relative paths, as users write them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "x.yaml") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def mistake(text: str, *overrides: str) -> str:
    """The message that a file and overrides are refused with."""
    with pytest.raises(ConfigError) as error:
        expand(write(text), overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- what ships ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_experiment_loads_and_survives_being_written(name: str) -> None:
    for experiment in expand(name):
        assert load(write(resolved(experiment))) == experiment


def test_shipped_experiments_are_found_with_or_without_folder_and_suffix() -> None:
    for name in ("demo", "demo.yaml", "configs/demo", "experiments/configs/demo.yaml"):
        assert find(name) == shipped()["demo"]


def test_an_existing_file_goes_before_a_shipped_experiment() -> None:
    assert load(write(START, "demo.yaml")).name == "a"
    assert load("demo").name == "demo"


@pytest.mark.parametrize("name", ["dmo", "no/such/folder/demos.yaml"])
def test_a_missing_file_names_the_nearest_shipped_experiment(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(name)
    assert str(error.value) == f"no experiment {name!r}; did you mean 'demo'?"


# --- mistakes in a file --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "trainer:\n  kind: ppo\n  lerning_rate: 1e-4",
            "x.yaml:6: trainer.lerning_rate: unknown key; did you mean 'learning_rate'?",
        ),
        (
            "trainer:\n  kind: ppo\n  gamma: 1.7",
            "x.yaml:6: trainer.gamma: should be less than or equal to 1, not 1.7",
        ),
        (
            "trainer:\n  kind: ppo\n  n_envs: true",
            "x.yaml:6: trainer.n_envs: should be a valid integer, not true",
        ),
        (
            "seed: '1'\nenv: {max_steps: 2.5}",
            "x.yaml:4: seed: should be a valid integer, not '1' (and 1 more)",
        ),
        (
            "env: {max_seconds: .inf}",
            "x.yaml:4: env.max_seconds: should be a finite number, not Infinity",
        ),
        (
            "env:\n  interface: edt",
            "x.yaml:5: env.interface: should be 'edit' or 'shell', not 'edt'",
        ),
        (
            "env:\n  rewards: {solve: 1}",
            "x.yaml:5: env.rewards.solve: unknown key; did you mean 'solved'?",
        ),
        ("env: 3", "x.yaml:4: env: should be keys and values, not 3"),
        ("score: {k: 5}", "x.yaml:4: score.k: should be a list, not 5"),
        ("score: {k: []}", "x.yaml:4: score.k: should have at least 1 item, not []"),
        (
            "score:\n  k:\n  - 1\n  - 0",
            "x.yaml:7: score.k.1: should be greater than or equal to 1, not 0",
        ),
        ("trainer: ppoo", "x.yaml:4: trainer.kind: unknown kind 'ppoo'; did you mean 'ppo'?"),
        ("sandbox: 3", "x.yaml:4: sandbox: should be keys and values, or a type, not 3"),
        ("score: {k: [5]}", "x.yaml:4: score: k: 5 is more than episodes: 1"),
        ("seed: 1\nseed: 2", "x.yaml:5: seed: repeated key"),
        ("seed: [1", "x.yaml:5: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "score: {episodes: 2}",
            "x.yaml: score.deterministic: true would play the same episode 2 times; "
            "set it to false, or score.episodes to 1",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_key(text: str, message: str) -> None:
    assert mistake(f"{START}{text}\n") == message


def test_an_unknown_kind_is_answered_with_the_legal_ones() -> None:
    assert mistake("name: a\nbenchmark: katas\npolicy:\n  kind: hrn") == (
        "x.yaml:4: policy.kind: unknown kind 'hrn'; did you mean 'hrm'?"
    )
    assert mistake("name: a\nbenchmark: katas\npolicy:\n  hidden_size: 64") == (
        "x.yaml:3: policy.kind: required, and missing"
    )


def test_the_tag_of_a_union_is_no_part_of_the_key() -> None:
    assert mistake("name: a\nbenchmark: katas\npolicy:\n  kind: hrm\n  hiden_size: 64") == (
        "x.yaml:5: policy.hiden_size: unknown key; did you mean 'hidden_size'?"
    )


def test_a_missing_key_is_told_of_the_block_that_lacks_it() -> None:
    assert mistake("policy: noop\nbenchmark: katas") == "x.yaml: name: required, and missing"
    assert mistake("name: a\npolicy: noop\nbenchmark: {path: b}") == (
        "x.yaml:3: benchmark.name: required, and missing"
    )


def test_a_misspelt_key_goes_before_the_missing_one_that_it_causes() -> None:
    assert mistake("nmae: a\npolicy: noop\nbenchmark: katas") == (
        "x.yaml:1: nmae: unknown key; did you mean 'name'? (and 1 more)"
    )


def test_a_file_that_is_no_mapping_is_refused() -> None:
    assert mistake("- a") == 'x.yaml:1: should be keys and values, not ["a"]'
    assert mistake("") == "x.yaml:1: should be keys and values, not null"


def test_a_file_that_is_not_text_is_refused() -> None:
    Path("x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"^x.yaml: cannot be read: not UTF-8$"):
        load("x.yaml")


def test_paths_are_shown_relative_to_the_working_folder_where_they_lie_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a: 1", "below/x.yaml")
    with pytest.raises(ConfigError, match=r"^below/x.yaml:1: a: unknown key"):
        load("below/../below/x.yaml")
    write("a: 1", "y.yaml")
    monkeypatch.chdir(tmp_path / "below")
    with pytest.raises(ConfigError) as error:
        load("../y.yaml")
    assert str(error.value).startswith(f"{tmp_path}/y.yaml:1: a: unknown key")


# --- overrides -----------------------------------------------------------------------------------


def test_overrides_are_yaml_and_the_last_wins() -> None:
    experiment = load(
        write(START),
        ["env.max_steps=3", "score.before=false", "env.max_steps=4", "env.max_seconds="],
    )
    assert (experiment.env.max_steps, experiment.env.max_seconds) == (4, None)


def test_an_override_reaches_into_a_block_written_as_one_word() -> None:
    experiment = load(write(START), ["benchmark=jsonl", "benchmark.path=b.jsonl"])
    assert (experiment.benchmark.name, experiment.benchmark.path) == ("jsonl", "b.jsonl")


def test_naming_another_kind_replaces_the_whole_block() -> None:
    text = "name: a\nbenchmark: katas\npolicy: {kind: hrm, hidden_size: 64}\n"
    for override in ("policy=noop", "policy.kind=noop", "policy={kind: noop}"):
        assert load(write(text), [override]).policy.kind == "noop"
    same = load(write(text), ["policy.kind=hrm"]).policy
    assert same.kind == "hrm"
    assert same.hidden_size == 64
    fresh = load(write(text), ["policy=hrm"]).policy
    assert fresh.kind == "hrm"
    assert fresh.hidden_size == 128


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sede=1", "sede: unknown key; did you mean 'seed'?"),
        ("seed=one", "seed: should be a valid integer, not 'one'"),
        ("seed=[1", "not YAML: expected ',' or ']', but got '<stream end>'"),
        ("seed", "should be key=value, for example trainer.gamma=0.9"),
        ("=1", "should be key=value, for example trainer.gamma=0.9"),
        ("env..max_steps=1", "should be key=value, for example trainer.gamma=0.9"),
        ("extends=demo", "extends belongs in a file"),
        (
            "policy=modal",
            "policy.kind: unknown kind 'modal'; known: hrm, ngram, noop, random, ranked, "
            "reference, search",
        ),
        ("score.k=[5]", "score: k: 5 is more than episodes: 1"),
    ],
)
def test_a_mistake_in_an_override_is_told_with_the_override(override: str, message: str) -> None:
    assert mistake(START, override) == f"override {override!r}: {message}"


def test_a_mistake_below_a_trainer_is_told_with_the_override() -> None:
    told = mistake(START + "trainer: {kind: ppo}\n", "trainer.gama=0.9")
    assert told == "override 'trainer.gama=0.9': trainer.gama: unknown key; did you mean 'gamma'?"


def test_overrides_that_contradict_the_file_are_blamed_on_the_last_one() -> None:
    assert mistake(START, "policy=random", "trainer=ppo") == (
        "override 'trainer=ppo': policy 'random' cannot be trained; use policy: hrm, "
        "or trainer: null"
    )


def test_a_replaced_value_is_not_blamed_on_the_file() -> None:
    assert mistake(f"{START}env: {{max_steps: 0}}", "env={max_steps: -1}") == (
        "override 'env={max_steps: -1}': env.max_steps: should be greater than or equal to 1, "
        "not -1"
    )


# --- extends -------------------------------------------------------------------------------------


def test_extends_merges_blocks_and_replaces_lists() -> None:
    write(f"{START}env: {{max_steps: 3, canvas: 64}}\nscore: {{deterministic: false}}", "base.yaml")
    write("extends: ../base.yaml\nname: b\nenv: {max_steps: 5}\n", "sub/b.yaml")
    experiment = load(write("extends: sub/b.yaml\nscore: {episodes: 2, k: [2]}"))
    assert (experiment.name, experiment.env.max_steps, experiment.env.canvas) == ("b", 5, 64)
    assert (experiment.score.k, experiment.score.deterministic) == ((2,), False)


def test_extends_takes_a_shipped_experiment() -> None:
    demo = load("demo")
    assert load(write("extends: demo\nseed: 7")) == demo.model_copy(update={"seed": 7})


def test_a_mistake_is_told_of_the_file_that_made_it() -> None:
    write(f"{START}env: {{max_step: 3}}", "base.yaml")
    assert mistake("extends: base.yaml\nname: b").startswith("base.yaml:4: env.max_step: unknown")


def test_extends_in_a_circle_is_refused() -> None:
    write("extends: x.yaml", "y.yaml")
    assert mistake("name: a\nextends: y.yaml") == "y.yaml:1: extends: x.yaml leads back to itself"


def test_extends_of_a_missing_file_names_the_nearest() -> None:
    assert mistake("extends: dmo") == (
        "x.yaml:1: extends: no experiment 'dmo'; did you mean 'demo'?"
    )
    assert mistake("extends: [a]") == 'x.yaml:1: extends: should be a file\'s name, not ["a"]'


# --- sweeps --------------------------------------------------------------------------------------


def test_a_sweep_is_every_combination_each_with_its_name() -> None:
    found = expand(write(f"{START}sweep: {{seed: [0, 1], env: {{max_steps: [3, 4]}}}}"))
    assert [(e.name, e.seed, e.env.max_steps) for e in found] == [
        ("a-seed=0-max_steps=3", 0, 3),
        ("a-seed=0-max_steps=4", 0, 4),
        ("a-seed=1-max_steps=3", 1, 3),
        ("a-seed=1-max_steps=4", 1, 4),
    ]


def test_a_sweep_over_whole_blocks_leaves_nothing_behind() -> None:
    text = f"{START}sweep: {{policy: [{{kind: hrm, hidden_size: 64}}, noop, hrm]}}"
    found = expand(write(text))
    assert [e.policy.kind for e in found] == ["hrm", "noop", "hrm"]
    assert [e.name for e in found] == ["a-policy=0", "a-policy=noop", "a-policy=hrm"]
    assert [json.loads(e.model_dump_json())["policy"].get("hidden_size") for e in found] == [
        64,
        None,
        128,
    ]


def test_a_sweep_can_be_overridden_and_dropped() -> None:
    path = write(f"{START}sweep: {{env.max_steps: [3, 4]}}")
    assert [e.env.max_steps for e in expand(path, ["sweep.env.max_steps=[5]"])] == [5]
    assert load(path, ["sweep=null"]).env.max_steps == 8


def test_expand_without_a_sweep_is_load() -> None:
    assert expand(write(START)) == [load("x.yaml")]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("3", "x.yaml:4: sweep: should be dotted keys with a list of values each, not 3"),
        ("{}", "x.yaml:4: sweep: should be dotted keys with a list of values each, not {}"),
        ("{seed: 1}", "x.yaml:4: sweep.seed: should be a list of values, not 1"),
        ("{seed: []}", "x.yaml:4: sweep.seed: should be a list of values, not []"),
        (
            "{env.max_steps: [1], env: {max_steps: [2]}}",
            "x.yaml:4: sweep.env.max_steps: repeated key",
        ),
        ("\n  sede: [1]", "x.yaml:5: sede: unknown key; did you mean 'seed'?"),
        ("\n  seed: [1, x]", "x.yaml:5: seed: should be a valid integer, not 'x'"),
    ],
)
def test_a_mistake_in_a_sweep_is_told_with_its_line(sweep: str, message: str) -> None:
    assert mistake(f"{START}sweep: {sweep}") == message


def test_a_swept_key_cannot_be_overridden_by_itself() -> None:
    assert mistake(f"{START}sweep: {{seed: [1, 2]}}", "seed=3") == (
        "override 'seed=3': seed is swept in x.yaml:4; override sweep.seed instead, or drop the "
        "sweep with sweep=null"
    )


def test_load_wants_one_experiment() -> None:
    with pytest.raises(ConfigError) as error:
        load(write(f"{START}sweep: {{seed: [1, 2]}}"))
    assert str(error.value) == (
        "x.yaml:4: sweep.seed: one experiment is wanted here, and a sweep describes several; "
        "drop it with sweep=null"
    )


# --- writing -------------------------------------------------------------------------------------


def test_a_resolved_experiment_holds_every_key() -> None:
    text = resolved(load("demo"))
    assert load(write(text)) == load("demo")
    assert "gae_lambda: 0.95" in text
    assert "extends" not in text


def test_a_resolved_checkpoint_leaves_the_shape_to_the_checkpoint() -> None:
    experiment = load(write(START), ["policy.checkpoint=runs/c"])
    again: Experiment = load(write(resolved(experiment)))
    assert again == experiment
    assert again.policy.model_fields_set == {"kind", "checkpoint"}
