"""lm-evaluation-harness on the model in memory. tasks.py imports this only when tasks are run, as it takes seconds."""

import copy
import math
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lm_eval.evaluator import evaluate
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from prune_core.evaluate import lm_eval_parts
from prune_core.evaluate.lm_eval_parts import HookedLM, TaskDict
from prune_core.schema.errors import UserError
from prune_core.schema.progress import Progress

BATCH = 64
LOGIT_BYTES = 2**31
FEWSHOT_SEED = 1234
"""lm-eval's own default for few-shot sampling, for numpy and for torch; Python's `random` starts from 0."""


class ResidentLM(HookedLM):
    """lm-eval's model class around a model in memory: reports progress and keeps batches within memory.

    Scores are those of lm-eval's own class at the same batch size. The tokenizer is copied, as it is given a pad token.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any, progress: Progress) -> None:
        super().__init__(pretrained=model, tokenizer=copy.deepcopy(tokenizer), batch_size=BATCH)
        self.progress = progress
        self.truncated: Counter[str] = Counter()
        self._ticks = _Ticks(progress)
        self.tell_answers(self._ticks)
        self.answer_tokens: dict[tuple[int, int], int] = {}  # of the last call, by item and choice
        self._requests: list = []
        self._fit_batch(self.max_length)

    def loglikelihood(self, requests: list, disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        self._requests = requests
        return super().loglikelihood(requests, disable_tqdm=True)

    def loglikelihood_rolling(self, requests: list, disable_tqdm: bool = True) -> list[float]:
        self.progress.stage("scoring text", len(requests), "requests")
        return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def generate_until(self, requests: list, disable_tqdm: bool = True) -> list[str]:
        self.progress.stage("writing answers", len(requests), "requests")
        return super().generate_until(requests, disable_tqdm=True)

    def before_loglikelihoods(self, requests: list) -> None:
        answers = [len(continuation) for _, _, continuation in requests]
        self._check_answers(answers)
        self.answer_tokens = {(r.doc_id, r.idx): n for r, n in zip(self._requests, answers, strict=True)}
        lengths = [len(context) + len(continuation) for _, context, continuation in requests]
        paired = zip(self._requests, lengths, strict=True)
        self.truncated = Counter(each.task_name for each, length in paired if length > self.max_length + 1)
        self._fit_batch(min(max(lengths), self.max_length))
        self._begin([tuple(pair) for pair, _, _ in requests], lengths)

    def _begin(self, pairs: list[tuple[str, str]], lengths: list[int]) -> None:
        """Begin the stage, counted in tokens: lm-eval takes the longest requests first, so that a count of requests
        would promise too long a wait."""
        read = [min(length, self.max_length) for length in lengths]
        names = {request.task_name for request in self._requests}
        self.progress.stage(f"scoring {names.pop() if len(names) == 1 else 'tasks'}", sum(read), "tokens")
        self._ticks.tokens = dict(zip(pairs, read, strict=True))

    def _check_answers(self, lengths: list[int]) -> None:
        """lm-eval cuts long questions, but stops at an answer beyond the context, or at one without tokens."""
        for request, length in zip(self._requests, lengths, strict=True):
            if 0 < length <= self.max_length:
                continue
            which = f"An answer to item {request.doc_id + 1} of the task {request.task_name} has"
            if length == 0:
                raise UserError(f"{which} no tokens of its own: take that item out.")
            raise UserError(
                f"{which} {length:,} tokens, more than this model's context of {self.max_length:,}, so it cannot "
                "be scored (lm-eval itself stops there too): take that item out, or set a limit that ends before it."
            )

    def _fit_batch(self, longest: int) -> None:
        """As many sequences of `longest` tokens as keep the logits and their log-softmax within LOGIT_BYTES."""
        each = 2 * longest * self.config.get_text_config().vocab_size * self.model.dtype.itemsize
        self.limit_batch(max(1, min(BATCH, LOGIT_BYTES // each)))


class _Ticks:
    """Told of every answer, as lm-eval tells its cache: ticks as many tokens as were read for it (`tokens`, by question
    and answer; one tick where it is not there), and stops at the first that is not a number."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tokens: dict[Any, int] = {}

    def add_partial(self, attr: str, req: Any, res: Any) -> None:
        score = res[0] if isinstance(res, tuple) else res
        if isinstance(score, float) and not math.isfinite(score):
            raise UserError("The model's scores are not numbers: it overflows in its dtype, choose float32 for it.")
        self.progress.advance(self.tokens.get(tuple(req), 1) if attr == "loglikelihood" else 1)


def score(
    model: PreTrainedModel,
    tokenizer: Any,
    chosen: TaskDict,
    limit: int | None,
    progress: Progress,
    fewshot: int | None = None,
) -> tuple[Any, ResidentLM]:
    """lm-eval's results for `chosen`, with its record of each item, and the model class that scored them.

    The results are those of its command line with `--num_fewshot` (left out for None) and `--limit`.
    """
    with quietly(model, progress):
        lm = ResidentLM(model, tokenizer, progress)
        make_ready(chosen, fewshot)
        # evaluate, not simple_evaluate: the same scores without its report on the machine, a second of subprocesses.
        results = evaluate(lm, chosen, limit=limit, log_samples=True)
    if results is None:
        raise RuntimeError("lm-eval returned no results: it takes this process for one of several")
    return results, lm


def make_ready(chosen: TaskDict, fewshot: int | None = None) -> None:
    """Seeds and few-shot settings as lm-eval's command line has them; to be called right before items are built.

    A task that is written for 0 examples stays so, whatever `fewshot` says.
    """
    for task in chosen["tasks"].values():
        own = task.get_config("num_fewshot")
        if own != 0:
            task.set_config("num_fewshot", fewshot if fewshot is not None else own or 0)
        _require_examples(task)
        task.set_fewshot_seed(FEWSHOT_SEED)
    seed_like_command_line()


def _require_examples(task: Any) -> None:
    """UserError where a task has fewer examples than it is to show; the item that is asked is never among them."""
    shots = task.get_config("num_fewshot")
    if not shots or not getattr(task, "sampler", None):
        return
    there = len(task.sampler.df) - (task.fewshot_cfg.split == task.get_config("test_split"))
    if there < shots:
        raise UserError(
            f"The task {task.task_name} has {there} examples to show, {shots} are asked for: ask for fewer."
        )


def seed_like_command_line() -> None:
    """Some tasks draw from the global generators, when they load or when items are built."""
    random.seed(0)
    np.random.seed(FEWSHOT_SEED)
    torch.manual_seed(FEWSHOT_SEED)


@contextmanager
def quietly(model: PreTrainedModel, progress: Progress) -> Iterator[None]:
    """Around all work of lm-eval: without its warnings and bars, to be cancelled at every forward pass."""
    with _quiet(), lm_eval_parts.templates_compiled_once(), _cancellable(model, progress):
        yield


@contextmanager
def _cancellable(model: PreTrainedModel, progress: Progress) -> Iterator[None]:
    """A tick of nothing before every forward pass, so that cancelling takes effect within one batch or one token."""
    hook = model.register_forward_pre_hook(lambda *_: progress.advance(0))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings and progress bars off, errors still show. What the warnings tell (cut requests), our notes tell."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with lm_eval_parts.quiet():
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
