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
    "env/failures": "Steps of the rollout without a verdict; loss and means leave them out.",
    "env/reward_solved": "Mean of this reward term per step.",
    "env/reward_progress": "Mean of this reward term per step.",
    "env/reward_illegal": "Mean of this reward term per step.",
    "env/reward_step": "Mean of this reward term per step.",
    "env/reward_wrong_submit": "Mean of this reward term per step.",
    "hrm/grad_norm_embedding": "L2 norm of the last minibatch's gradient, clipped: embeddings.",
    "hrm/grad_norm_H_level": "The same, high-level stack.",
    "hrm/grad_norm_L_level": "The same, low-level stack.",
    "hrm/grad_norm_tool_head": "The same, head that chooses the tool.",
    "hrm/grad_norm_span_head": "The same, head that chooses start and end.",
    "hrm/grad_norm_replacement_head": "The same, head that writes the replacement.",
    "hrm/grad_norm_value_head": "The same, head that predicts the return.",
    "hrm/grad_norm_q_head": "The same, halting head; 0 unless halting is trained.",
}

#: Further tags where the policy has the parts, or `trainer.curriculum` is set.
PART_TAGS: dict[str, str] = {
    "hrm/grad_norm_outcome_gate": "As above, gate that feeds the last outcome to the plan.",
    "hrm/grad_norm_outcome_head": "The same, head that foretells outcomes; of its own updates.",
    "hrm/grad_norm_specialists": "The same, adapters and router.",
    "hrm/alpha": "How far the outcome gate is open: tanh(alpha), 0 at the start.",
    "hrm/outcome_loss": "Cross entropy of the foretold verdict of the tests, before its updates.",
    "hrm/outcome_accuracy": "Share of tested steps whose verdict (all pass or not) is foretold.",
    "hrm/balance": "Load-balance loss of the learned router; 1 where all adapters are used alike.",
    "learn/balance": "The same in supervised training.",
    "learn/nll_per_entry": "As `learn/nll_replacement`, per entry; with `trainer.loss: balanced`.",
    "curriculum/depth": "Mean number of edits from the solution at which training starts.",
    "curriculum/forward": "Share of the tasks that are past the deepest made start.",
    "curriculum/full_success": "Share of the recent episodes from the tasks' own starts, solved.",
}

#: Further tags where `sandbox.stages` is set.
STAGE_TAGS: dict[str, str] = {
    "env/repeats": "Mean number of an episode's steps taken again.",
    "env/near_limit": "Mean number of runs that ended near the stage.",
}

#: Further tags where `trainer.eval_every` is set.
EVAL_TAGS: dict[str, str] = {
    "eval/mean_reward": "Mean return of the evaluation episodes.",
    "eval/mean_ep_length": "Mean number of steps of the evaluation episodes.",
    "eval/success_rate": "Share of evaluation episodes solved.",
}

#: Tags of supervised training, warm starts among it; their step counts samples. The first group are
#: means over the last 20 updates.
LEARNING_TAGS: dict[str, str] = {
    "learn/nll": "Negative log-likelihood of the repairing action, in nats; the sum of its parts.",
    "learn/nll_tool": "Its part for the tool.",
    "learn/nll_start": "Its part for where the edit starts.",
    "learn/nll_end": "Its part for where it ends.",
    "learn/nll_replacement": "Its part for the replacement.",
    "learn/tool_accuracy": "Share of samples whose most probable tool is right.",
    "learn/start_accuracy": "Share of edits whose most probable start is right.",
    "learn/span_accuracy": "Share of edits whose most probable start and end are right.",
    "learn/exact": "Share of samples whose greedy action is right.",
    "learn/halt_loss": "Cross entropy of the halting head towards `exact`, in nats.",
    "learn/grad_norm": "L2 norm of the whole gradient before it is clipped to 1.",
    "learn/rate": "Learning rate in force, as a multiple of the configured one.",
    "learn/samples_per_s": "Training samples per second since the first of this start of the run.",
    "learn/waiting": "Share of that time in which the trainer waited for samples.",
}

#: Tags of the evaluations on held-out bugs, with the weights to ship: bugs made in functions that
#: are not trained on, and real edits of packages that are not trained on.
HELD_OUT_TAGS: dict[str, str] = {
    f"heldout_{part}/{name}": f"{meaning}, on held-out {what}."
    for part, what in (("made", "self-made bugs"), ("real", "real edits"))
    for name, meaning in {
        "exact_at_1": "Share of fixes that the first proposal makes exactly",
        "exact_at_8": "The same, one of the first 8",
        "exact_at_32": "The same, one of the first 32",
        "exact_at_128": "The same, one of the first 128",
        "location_at_1": "Share of fixes whose start is that of the first proposal",
        "mrr": "Mean of 1 / number of the first exact proposal; 0 where none of 128 is",
    }.items()
}

#: Tags of the same evaluations for each operator that made a held-out bug, as patterns.
OPERATOR_TAGS: dict[str, str] = {
    "operator_made/*": "`exact_at_1` on the held-out bugs of that operator.",
    "operator_real/*": "`exact_at_1` on the held-out real edits of that kind.",
}

#: Tags of training to rank legal edits; its step counts samples. The first group are means over the
#: last 20 updates.
RANKING_TAGS: dict[str, str] = {
    "learn/nll": "Negative log-likelihood of the right edit among all of its list, in nats.",
    "learn/nll_kind": "Its part for the kind of the edit.",
    "learn/nll_place": "Its part for the place, given the kind.",
    "learn/nll_filling": "Its part for what is filled in, given both.",
    "learn/top_1": "Share of lists whose first edit is the right one.",
    "learn/top_10": "Share of lists that have it among the first 10.",
    "learn/top_100": "The same, the first 100.",
    **{
        name: LEARNING_TAGS[name]
        for name in ("learn/grad_norm", "learn/rate", "learn/samples_per_s", "learn/waiting")
    },
    **{
        f"heldout_{part}/{name}": f"{meaning}, on held-out {what}."
        for part, what in (("made", "self-made bugs"), ("real", "real fixes"))
        for name, meaning in {
            "top_1": "Share of lists whose first edit is the right one",
            "top_10": "Share of lists that have it among the first 10",
            "top_100": "The same, the first 100",
            "mrr": "Mean of 1 / rank of the right edit",
            "nll": "Negative log-likelihood of the right edit, in nats",
        }.items()
    },
    "hrm/grad_norm_ranking_head": "L2 norm of the last gradient, clipped: head that ranks.",
    "hrm/grad_norm_trace_embedding": "The same, embedding of what tests run.",
}

#: What is logged as text, in Markdown.
TEXT_TAGS: dict[str, str] = {
    "run/config": "The resolved experiment, as YAML; again at each start.",
    "examples/repair_1": "What the policy did in the evaluation: verdict, and change as a diff.",
    "examples/repair_2": "The same, another task.",
    "examples/repair_3": "The same, a third.",
}

#: What TensorBoard's HParams tab shows beside the configuration, by trainer.
PPO_METRICS = ("rollout/success_rate", "rollout/ep_rew_mean")
EVAL_METRICS = ("eval/success_rate", "eval/mean_reward")
LEARNING_METRICS = ("heldout_made/mrr", "heldout_real/mrr", "learn/nll")
RANKING_METRICS = LEARNING_METRICS

ALL_TAGS = PPO_TAGS | EVAL_TAGS | LEARNING_TAGS | HELD_OUT_TAGS
"""All but those of `OPERATOR_TAGS`."""
