"""LLM-Streamline's Stability (arXiv 2403.19135, Eq. 6): do both models answer the same items right, and the same wrong?

    Stability = sum_i exp(std_i) * [both right or both wrong on item i] / sum_j exp(std_j)

std_i is the standard deviation (k - 1), over the k choices of item i, of their PPL under the unpruned model: items on
which it clearly separates the choices weigh more. PPL is the mean negative log-likelihood per token of the choice, in
nats. That is what OpenCompass, whose output the paper's script uses, calls PPL (it includes the question's tokens);
with its exponential, a single item outweighs all others.
"""

from collections.abc import Sequence

import numpy as np

from prune_core.schema.reports import Metric, Outcomes
from prune_core.schema.stats import ratio_stderr


def stability(donor: Sequence[Outcomes], pruned: Sequence[Outcomes]) -> tuple[Metric, ...]:
    """The Stability of each multiple-choice task, by acc, and their mean if there are several.

    Errors treat items as drawn independently (ratio estimator, as for perplexity).
    """
    found = [
        _of_task(before, after)
        for before, after in zip(donor, pruned, strict=True)
        if before.loglikelihoods and "acc" in before.right
    ]
    if len(found) < 2:
        return tuple(found)
    errors = [each.stderr or 0 for each in found]
    mean = float(np.mean([each.value for each in found]))
    stderr = float(np.sqrt(np.square(errors).sum()) / len(found))
    items = sum(each.samples or 0 for each in found)
    task = f"mean of {len(found)} tasks"
    return (*found, Metric("Stability", task, mean, "fraction", True, stderr, None, items, found[0].note))


def _of_task(donor: Outcomes, pruned: Outcomes) -> Metric:
    same = np.equal(donor.right["acc"], pruned.right["acc"])
    spreads = np.array([np.std(losses, ddof=1) for losses in _choice_losses(donor)])
    weights = np.exp(spreads - spreads.max())  # relative to the largest, so that none overflows
    value, stderr = float((weights * same).sum() / weights.sum()), ratio_stderr(weights * same, weights)
    note = "arXiv 2403.19135, Eq. 6, by acc; PPL in nats per token"
    return Metric("Stability", donor.task, value, "fraction", True, stderr, None, len(same), note)


def _choice_losses(outcomes: Outcomes) -> list[np.ndarray]:
    """Nats per token of each choice of each item."""
    pairs = zip(outcomes.loglikelihoods, outcomes.tokens, strict=True)
    return [-np.array(loglikelihoods) / np.array(tokens) for loglikelihoods, tokens in pairs]
