"""Every TensorBoard tag that a run logs, and what it means.

A test compares this table with what a run really logs.
"""

from __future__ import annotations

#: Tags of every PPO run. The first groups are Stable-Baselines3's own.
PPO_TAGS: dict[str, str] = {
    "rollout/ep_rew_mean": "Mean return of the last 100 episodes.",
    "rollout/ep_len_mean": "Mean number of steps of the last 100 episodes.",
    "rollout/success_rate": "Share of the last 100 episodes that hidden tests called solved.",
    "time/fps": "Environment steps per second since the start of `learn`.",
    "train/approx_kl": "Mean estimate of KL(old policy, new policy) over the update's minibatches.",
    "train/clip_fraction": "Share of samples whose probability ratio was clipped.",
    "train/clip_range": "The clipping range in force.",
    "train/entropy_loss": "Minus the mean entropy of the joint action distribution, in nats.",
    "train/explained_variance": "1 - Var(return - value) / Var(return) on the rollout.",
    "train/learning_rate": "The learning rate in force.",
    "train/loss": "Loss of the last minibatch.",
    "train/policy_gradient_loss": "Mean clipped surrogate loss.",
    "train/value_loss": "Mean squared error of the value.",
    "env/refused": "Share of steps whose action was not legal.",
    "env/edits": "Share of steps whose action was an edit.",
    "env/tests_passed": "Mean share of visible tests that pass after a step.",
    "env/test_runs": "Mean number of visible test runs in an episode.",
    "env/reward_solved": "Mean of this reward term per step.",
    "env/reward_progress": "Mean of this reward term per step.",
    "env/reward_illegal": "Mean of this reward term per step.",
    "env/reward_step": "Mean of this reward term per step.",
    "hrm/grad_norm_embedding": "L2 norm of the last minibatch's gradient, clipped: embeddings.",
    "hrm/grad_norm_H_level": "The same, high-level stack.",
    "hrm/grad_norm_L_level": "The same, low-level stack.",
    "hrm/grad_norm_tool_head": "The same, head that chooses the tool.",
    "hrm/grad_norm_span_head": "The same, head that chooses start and end.",
    "hrm/grad_norm_replacement_head": "The same, head that writes the replacement.",
    "hrm/grad_norm_value_head": "The same, head that predicts the return.",
    "hrm/grad_norm_q_head": "The same, halting head; 0 unless halting is trained.",
}

#: Further tags where `trainer.eval_every` is set.
EVAL_TAGS: dict[str, str] = {
    "eval/mean_reward": "Mean return of the evaluation episodes.",
    "eval/mean_ep_length": "Mean number of steps of the evaluation episodes.",
    "eval/success_rate": "Share of evaluation episodes solved.",
}

#: Further tags where `trainer.warm_start` is set; their step counts samples, not environment steps.
WARM_START_TAGS: dict[str, str] = {
    f"hrm/{prefix}_{name}": f"{meaning} {where}"
    for prefix, where in (
        ("warm_start", "on the last training batches."),
        ("held_out", "on samples of programs that are not trained on."),
    )
    for name, meaning in {
        "nll": "Negative log-likelihood of the repairing action, in nats,",
        "tool_accuracy": "Share of samples whose most probable tool is right",
        "start_accuracy": "Share of edits whose most probable start is right",
        "span_accuracy": "Share of edits whose most probable start and end are right",
        "exact": "Share of samples whose greedy action is right",
    }.items()
} | {"hrm/warm_start_samples_per_s": "Training samples per second since the start."}

ALL_TAGS = PPO_TAGS | EVAL_TAGS | WARM_START_TAGS
