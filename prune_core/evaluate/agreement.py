"""How far the pruned model's next-token distribution is from its donor's, on held-out text, both run side by side."""

from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from prune_core.evaluate.perplexity import Padded, Window, batches, by_unit, heldout_windows, read, text_name
from prune_core.forward.losses import same_top, token_kl
from prune_core.schema.errors import UserError
from prune_core.schema.inputs import HeldOut
from prune_core.schema.progress import Progress, Silent
from prune_core.schema.reports import Metric
from prune_core.schema.stats import ratio_stderr


def agreement(
    donor: PreTrainedModel,
    pruned: PreTrainedModel,
    tokenizer: Any,
    heldout: HeldOut,
    documents: list[str],
    progress: Progress | None = None,
) -> tuple[Metric, ...]:
    """Mean KL(donor || pruned) in nats per token, and how often both agree on the most likely token, with errors.

    The tokens are those that `perplexity` scores, in the same windows; errors are over the same units. UserError as
    there, and if the divergence is not finite.
    """
    progress = progress or Silent()
    every, note = heldout_windows(donor, tokenizer, heldout, documents)
    sums = window_agreement(donor, pruned, every, progress)
    found = []
    for name, unit, higher, column in (
        ("KL from donor", "nats/token", False, sums[:, 0]),
        ("same likeliest token", "fraction", True, sums[:, 1]),
    ):
        totals, counts = by_unit(heldout, every, column)
        mean, stderr = float(totals.sum() / counts.sum()), ratio_stderr(totals, counts)
        if not np.isfinite(mean):
            raise UserError(f"The KL divergence from the donor is {mean}, as a model overflows: choose float32 for it.")
        found.append(Metric(name, text_name(heldout), mean, unit, higher, stderr, None, int(counts.sum()), note))
    return tuple(found)


def window_agreement(
    donor: PreTrainedModel, pruned: PreTrainedModel, every: list[Window], progress: Progress
) -> np.ndarray:
    """Over each window's scored tokens: summed KL(donor || pruned) in nats, and how often the top token agrees.

    float64 [len(every), 2]. Log-softmax in float32, sums over tokens in float64.
    """
    sums = np.zeros((len(every), 2))
    progress.stage("agreement with the donor", sum(len(window.tokens) for window in every), "tokens")
    for batch in batches(donor, every, models=2):
        sums[batch] = _batch(donor, pruned, read([every[i] for i in batch]))
        progress.advance(sum(len(every[i].tokens) for i in batch))
    return sums


@torch.inference_mode()
def _batch(donor: PreTrainedModel, pruned: PreTrainedModel, windows: Padded) -> np.ndarray:
    ours, theirs = windows.logits(donor), windows.logits(pruned).to(donor.device)
    sums = np.zeros((len(windows.batch.input_ids), 2))
    for row, target in windows.chunks(donor.device):
        p, q = (logits[row, target - 1 - windows.first] for logits in (ours, theirs))
        both = torch.stack((token_kl(p, q), same_top(p, q).double()), 1)
        np.add.at(sums, row.cpu().numpy(), both.cpu().numpy())
    return sums
