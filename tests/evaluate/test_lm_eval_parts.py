"""What lm-eval's private parts do for us, under their public names. tests/test_library_parts.py has the rest."""

import logging

import jinja2
import lm_eval.api.task
import pytest

from prune_core.evaluate import lm_eval_parts


def test_templates_are_compiled_once_and_only_within() -> None:
    source = "{{ word }} and more"
    with lm_eval_parts.templates_compiled_once():
        environment = lm_eval_parts.templates()
        first = environment.from_string(source)
        assert environment.from_string(source) is first and first.render(word="this") == "this and more"
    assert "from_string" not in vars(lm_eval_parts.templates())
    assert lm_eval_parts.templates().from_string(source) is not first


def test_templates_are_filled_in_by_the_environment_that_was_set() -> None:
    before, own = lm_eval_parts.templates(), jinja2.Environment()
    try:
        lm_eval_parts.set_templates(own)
        assert lm_eval_parts.templates() is own is lm_eval.utils.env
    finally:
        lm_eval_parts.set_templates(before)


def test_warnings_and_bars_are_off_within_and_back_after_an_error() -> None:
    logger, bar = logging.getLogger("lm_eval"), lm_eval.api.task.tqdm
    level = logger.level
    seen = []

    def fails() -> None:
        with lm_eval_parts.quiet():
            seen.extend([logger.isEnabledFor(logging.WARNING), logger.isEnabledFor(logging.ERROR)])
            seen.append(lm_eval.api.task.tqdm(range(3)).disable)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen == [False, True, True]
    assert logger.level == level and lm_eval.api.task.tqdm is bar


def test_only_its_own_metrics_are_known() -> None:
    assert lm_eval_parts.is_known_metric("acc") and lm_eval_parts.is_known_metric("exact_match")
    assert not lm_eval_parts.is_known_metric("somebody/metric")
