"""Every private or undocumented part of lm-eval that is used here, under a public name. Slow to import, as lm-eval is.

A new lm-eval may change any of these without notice; tests/test_library_parts.py says which, and this is the file to
mend. No other file may name them:

- lm_eval.tasks._index: `Entry` (name, kind, yaml_path, cfg, tags) and `Kind` (TASK, PY_TASK, GROUP, TAG), what
  `TaskManager.task_index` holds; an entry without yaml_path is built from its cfg
- lm_eval.tasks._yaml_loader: `load_yaml(path, resolve_func=...)`
- lm_eval.utils.env: the one Jinja environment, whose from_string compiles every template
- lm_eval.api.task.tqdm: the bar of `build_all_requests`
- lm_eval.api.registry.metric_registry: the metrics that lm-eval brings itself
- HFLM: `_loglikelihood_tokens(requests, disable_tqdm, override_bs)`, `_encode_pair(context, continuation)`,
  `batch_size_per_gpu`, and `cache_hook.add_partial(attr, req, res)`, told of every answer
- of tasks: `sampler.df`, `fewshot_cfg.split`; of groups: `get_all_tasks()`, `aggregate_metric_list` with
  `weight_by_size`, `aggregate(metrics)`. They are read where tasks are scored.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import jinja2
import lm_eval.api.task
import lm_eval.utils
from lm_eval.api.registry import metric_registry
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._index import Entry, Kind
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.tasks.manager import TaskDict
from tqdm import tqdm

__all__ = ["Entry", "HookedLM", "Kind", "TaskDict", "is_known_metric", "load_yaml", "quiet", "templates"]

_HFLM: Any = HFLM  # the decorator that registers it hides its type


class HookedLM(_HFLM):
    """lm-eval's model class with three hooks: before log-likelihoods, after each answer, and for the batch size."""

    def before_loglikelihoods(self, requests: list[tuple[Any, list[int], list[int]]]) -> None:
        """Called with (strings, context tokens, answer tokens) of each request, before any is scored."""

    def _loglikelihood_tokens(
        self, requests: list, disable_tqdm: bool = True, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        if override_bs is None:  # otherwise these are windows of loglikelihood_rolling, already a batch
            self.before_loglikelihoods(requests)
        return super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs)

    def tell_answers(self, listener: Any) -> None:
        """Have `listener.add_partial(attr, req, res)` called with each answer, as lm-eval tells its cache."""
        self.cache_hook = listener

    def limit_batch(self, sequences: int) -> None:
        """Score so many sequences at once from now on."""
        self.batch_size_per_gpu = sequences

    def tokenise_once(self) -> None:
        """Remember the tokens of each question and answer, for whoever scores the same ones again and again."""
        self._encode_pair = cache(self._encode_pair)


def is_known_metric(name: str) -> bool:
    """Whether lm-eval brings the metric itself; it would fetch another one from the hub and run it."""
    return name in metric_registry


def templates() -> jinja2.Environment:
    """The environment that fills in all templates of tasks."""
    return lm_eval.utils.env


def set_templates(environment: jinja2.Environment) -> None:
    """Have all templates filled in by `environment` from now on."""
    lm_eval.utils.env = environment


@contextmanager
def templates_compiled_once() -> Iterator[None]:
    """lm-eval compiles templates anew for every item, which takes longer than scoring does on a small model."""
    environment = vars(lm_eval.utils.env)
    environment["from_string"] = cache(lm_eval.utils.env.from_string)
    try:
        yield
    finally:
        del environment["from_string"]  # the class's own method shows again


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings and the progress bar of each task off; errors still show."""
    logger, bar = logging.getLogger("lm_eval"), lm_eval.api.task.tqdm
    level = logger.level
    logger.setLevel(logging.ERROR)
    lm_eval.api.task.tqdm = partial(tqdm, disable=True)  # it offers no switch
    try:
        yield
    finally:
        logger.setLevel(level)
        lm_eval.api.task.tqdm = bar
