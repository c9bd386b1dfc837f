"""Tests of the space of any text, and of what Gymnasium does to spaces."""

from __future__ import annotations

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import utils
from gymnasium.utils import seeding
from gymnasium.vector import utils as vectors
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from hrmgym.envs.benchmark import register_benchmark
from hrmgym.envs.interfaces.textspace import TextSpace

TEXTS = ("", "plain", "é→日本🙂\n\t\0", "\ud800\udcff", "x" * 100, "\U0010ffff")


def test_text_of_any_alphabet_is_in_the_space() -> None:
    space = TextSpace(10)
    assert space.contains("é\n\0")
    assert not space.contains("x" * 11)
    assert not space.contains(b"x")
    assert space.contains(space.sample())
    assert space == TextSpace(10) != TextSpace(11)


def test_samples_are_seeded() -> None:
    rng, _ = seeding.np_random(3)
    other, _ = seeding.np_random(3)
    assert TextSpace(10, rng).sample() == TextSpace(10, other).sample()


@pytest.mark.parametrize("text", TEXTS)
def test_flat_and_back(text: str) -> None:
    space = TextSpace(100)
    flat = utils.flatten(space, text)
    assert utils.flatten_space(space).contains(flat)
    assert utils.flatdim(space) == len(flat) == 100
    assert utils.unflatten(space, flat) == text
    both = gymnasium.spaces.Dict({"a": space, "b": gymnasium.spaces.Discrete(3)})
    value = {"a": text, "b": np.int64(1)}
    assert utils.unflatten(both, utils.flatten(both, value)) == value


def test_any_flat_point_is_a_text() -> None:
    space = TextSpace(50)
    assert space.contains(utils.unflatten(space, utils.flatten_space(space).sample()))


def test_batches_and_shared_memory() -> None:
    space = TextSpace(100)
    batch = vectors.batch_space(space, len(TEXTS))
    assert vectors.batch_differing_spaces([space] * len(TEXTS)) == batch
    empty = vectors.create_empty_array(space, len(TEXTS))
    assert batch.contains(empty)
    together = vectors.concatenate(space, TEXTS, empty)
    assert batch.contains(together)
    assert tuple(vectors.iterate(batch, together)) == TEXTS
    memory = vectors.create_shared_memory(space, len(TEXTS))
    seen = vectors.read_from_shared_memory(space, memory, len(TEXTS))
    assert tuple(seen) == empty
    for filled in ("y" * 100, *TEXTS):
        for index, text in enumerate(TEXTS):
            vectors.write_to_shared_memory(space, index, filled, memory)
            vectors.write_to_shared_memory(space, index, text, memory)
    assert (seen, seen[1:3], seen[-1]) == (TEXTS, TEXTS[1:3], TEXTS[-1])
    assert batch.contains(copy.deepcopy(seen))


def test_it_is_gymnasiums_text_and_can_be_copied() -> None:
    space = TextSpace(10, seed=1)
    assert isinstance(space, gymnasium.spaces.Text)
    assert copy.deepcopy(space) == pickle.loads(pickle.dumps(space)) == space
    assert space != gymnasium.spaces.Text(10)
    assert space.is_np_flattenable
    assert utils.is_space_dtype_shape_equiv(space, TextSpace(10))
    assert TextSpace(2).contains(TextSpace(2).sample())


@pytest.mark.parametrize("shared", [False, True])
def test_vector_environments_of_shells(shared: bool) -> None:
    entry = register_benchmark("tiny_shell", "hrmgym.tests.tiny:Tiny")
    mode = {"vectorization_mode": "async", "vector_kwargs": {"shared_memory": True}}
    env = gymnasium.make_vec(
        entry.env_id, 2, interface="shell", task="double", **(mode if shared else {})
    )
    observations, _ = env.reset(seed=0)
    assert all(text.startswith("Repair double.") for text in observations)
    observations, *_ = env.step(("echo é→日本", "printf '\\377'"))
    assert observations[0].startswith("é→日本\n")
    assert observations[1].startswith("\\xff")
    env.close()


def test_stable_baselines3_shows_whole_texts_and_says_that_it_cannot_act() -> None:
    entry = register_benchmark("tiny_shell", "hrmgym.tests.tiny:Tiny")
    env = DummyVecEnv(
        [lambda: gymnasium.make(entry.env_id, interface="shell", task="double") for _ in range(2)]
    )
    assert all(text.startswith("Repair double.") for text in env.reset())
    seen, *_ = env.step(np.array(["echo é→日本", "printf 'a\\0'"], dtype=object))
    assert seen[0].startswith("é→日本\n")
    assert seen[1].startswith("a\\x00")
    with pytest.raises(AssertionError, match=r"only supports .* TextSpace"):
        PPO("MlpPolicy", env)
    env.close()
