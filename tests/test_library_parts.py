"""The private or undocumented parts of other libraries that are used here are there, and are named in one file each.

A failure here says which file to mend after an update.
"""

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

LM_EVAL, TRANSFORMERS = "prune_core/evaluate/lm_eval_parts.py", "prune_core/model/transformers_parts.py"
OFFLINE, HUB = "prune_core/evaluate/hub_offline.py", "prune_core/model/hub.py"
MEMORY, SESSION = "prune_core/evaluate/memory.py", "pages/_ui/state/session.py"

ONLY_IN = {
    "lm_eval.tasks._index": LM_EVAL,
    "lm_eval.tasks._yaml_loader": LM_EVAL,
    "lm_eval.utils": LM_EVAL,
    "lm_eval.models": LM_EVAL,
    "lm_eval.api.registry": LM_EVAL,
    "lm_eval.api.task.tqdm": LM_EVAL,
    "transformers.models": TRANSFORMERS,
    "transformers.initialization": TRANSFORMERS,
    "transformers.pytorch_utils": TRANSFORMERS,
    "transformers.utils.logging.set_tqdm_hook": TRANSFORMERS,
    "transformers.utils.logging.EmptyTqdm": TRANSFORMERS,
    "huggingface_hub.constants": OFFLINE,
    "huggingface_hub.errors.HTTPError": HUB,
    "datasets.config": OFFLINE,
    "streamlit.runtime": SESSION,
    "torch.utils._python_dispatch": MEMORY,
    "torch.utils._pytree": MEMORY,
}
"""What is not public, and the one file that may name it."""


def there(library: str, part: str, file: str, is_there: Callable[[], Any]) -> None:
    """Fail with a sentence where `is_there` is false or raises."""
    try:
        found = bool(is_there())
    except (ImportError, AttributeError, KeyError, TypeError, ValueError):
        found = False
    assert found, f"{library} no longer has {part} as it is used here: see {file}"


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_lm_eval_has_the_parts_that_are_used(tmp_path):
    import lm_eval.api.task
    import lm_eval.utils
    from lm_eval.api.registry import metric_registry
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager, _index, _yaml_loader

    (tmp_path / "words.yaml").write_text(
        "task: words\ntag: some\ndataset_path: json\noutput_type: multiple_choice\ntest_split: test\n"
        "metric_list: [{metric: !function code.score}]\n"
    )
    (tmp_path / "group.yaml").write_text(
        "group: both\ntask: [words]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n"
    )
    index = TaskManager(include_path=str(tmp_path), include_defaults=False).task_index

    def check(part: str, is_there: Callable[[], Any]) -> None:
        there("lm-eval", part, LM_EVAL, is_there)

    check("tasks._index.Entry.yaml_path", lambda: index["words"].yaml_path == tmp_path / "words.yaml")
    check("tasks._index.Entry.cfg", lambda: index["words"].cfg["dataset_path"] == "json")
    check("tasks._index.Entry.name", lambda: index["words"].name == "words")
    check("tasks._index.Entry.tags (names of a tag's tasks)", lambda: set(index["some"].tags) == {"words"})
    check("groups' cfg['task']", lambda: index["both"].cfg["task"] == ["words"])
    for name, kind in (("words", "TASK"), ("both", "GROUP"), ("some", "TAG")):
        check(f"tasks._index.Kind.{kind}", lambda name=name, kind=kind: index[name].kind is _index.Kind[kind])
    check("tasks._index.Kind.PY_TASK", lambda: _index.Kind["PY_TASK"])
    check(
        "tasks._yaml_loader.load_yaml(resolve_func=False), which leaves !function as a path",
        lambda: (
            _yaml_loader.load_yaml(tmp_path / "words.yaml", resolve_func=False)["metric_list"][0]["metric"]
            == str(tmp_path / "code.score")
        ),
    )
    check("utils.env.from_string", lambda: lm_eval.utils.env.from_string("{{a}}").render(a=1) == "1")
    check(
        "utils.env, looked up whenever a template is filled in",
        lambda: "env" in lm_eval.utils.apply_template.__code__.co_names,
    )
    check("api.task.tqdm", lambda: "tqdm" in lm_eval.api.task.Task.build_all_requests.__code__.co_names)
    check("api.registry.metric_registry", lambda: "acc" in metric_registry and "no such" not in metric_registry)

    lm: Any = HFLM
    tokens = ["self", "requests", "disable_tqdm", "override_bs"]
    check("HFLM._loglikelihood_tokens", lambda: parameters(lm._loglikelihood_tokens) == tokens)
    check("HFLM._encode_pair", lambda: parameters(lm._encode_pair) == ["self", "context", "continuation"])
    check("HFLM.batch_size_per_gpu", lambda: "batch_size_per_gpu" in lm.batch_size.fget.__code__.co_names)
    told = {"cache_hook", "add_partial"}
    for method in (lm._loglikelihood_tokens, lm.loglikelihood_rolling, lm.generate_until):
        check(f"a call of cache_hook.add_partial in HFLM.{method.__name__}", lambda m=method: told <= set(all_names(m)))


def all_names(function: Any) -> set[str]:
    """The names in a function and in those that it defines."""
    names, waiting = set(), [inspect.unwrap(function).__code__]
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [each for each in code.co_consts if inspect.iscode(each)]
    return names


def test_lm_evals_tasks_and_groups_have_the_parts_that_are_read(tmp_path):
    from lm_eval.tasks import TaskManager

    (tmp_path / "items.jsonl").write_text('{"q": "a", "c": ["b", "c"], "g": 0}\n' * 3)
    (tmp_path / "words.yaml").write_text(
        f"task: words\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path / 'items.jsonl'}}}}}\n"
        "output_type: multiple_choice\ntest_split: test\nfewshot_split: test\nnum_fewshot: 1\ndoc_to_text: q\n"
        "doc_to_choice: c\ndoc_to_target: g\nmetric_list: [{metric: acc}]\n"
    )
    (tmp_path / "group.yaml").write_text(
        "group: both\ntask: [words]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n"
    )
    found: Any = TaskManager(include_path=str(tmp_path), include_defaults=False).load(["both"])
    (task,), group = found["tasks"].values(), found["groups"]["both"]
    raw = {"words": {"acc,none": 0.5, "acc_stderr,none": 0.1, "sample_len": 3}}
    for part, is_there in {
        "Task.sampler.df": lambda: len(task.sampler.df) == 3,
        "Task.fewshot_cfg.split": lambda: task.fewshot_cfg.split == "test",
        "Task.eval_docs": lambda: len(list(task.eval_docs)) == 3,
        "Task.set_fewshot_seed": lambda: task.set_fewshot_seed(1) is None,
        "Group.get_all_tasks": lambda: [each.task_name for each in group.get_all_tasks()] == ["words"],
        "Group.aggregate_metric_list.weight_by_size": lambda: group.aggregate_metric_list[0].weight_by_size is True,
        "Group.aggregate": lambda: group.aggregate(raw)["acc,none"] == 0.5,
    }.items():
        there("lm-eval", part, LM_EVAL, is_there)


def test_transformers_has_the_parts_that_are_used(tmp_path):
    import transformers
    from transformers.utils import logging

    from prune_core.model import transformers_parts
    from tests.fixtures.tiny import tiny_model

    config = transformers.LlamaConfig()
    for part, is_there in {
        "CONFIG_MAPPING": lambda: transformers_parts.CONFIG_MAPPING["llama"] is transformers.LlamaConfig,
        "MODEL_FOR_CAUSAL_LM_MAPPING": lambda: (
            transformers_parts.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)] is transformers.LlamaForCausalLM
        ),
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": lambda: (
            transformers_parts.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES["llama"] == "LlamaForCausalLM"
        ),
        "configs' _attn_implementation": lambda: hasattr(config, "_attn_implementation"),
        "configs' _experts_implementation": lambda: hasattr(config, "_experts_implementation"),
        "pytorch_utils.Conv1D with a weight [in, out]": lambda: (
            transformers_parts.Conv1D(nf=3, nx=2).weight.shape == (2, 3)
        ),
        "initialization.no_init_weights": lambda: transformers_parts.no_init_weights().__enter__,
    }.items():
        there("transformers", part, TRANSFORMERS, is_there)

    bars: list[str] = []
    tiny_model("llama", 2).save_pretrained(tmp_path)
    before = logging.set_tqdm_hook(lambda factory, args, settings: bars.append(settings.get("desc")) or args[0])
    try:
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    finally:
        logging.set_tqdm_hook(before)
    there(
        "transformers", "a hooked bar 'Loading weights'", TRANSFORMERS, lambda: transformers_parts.WEIGHTS_BAR in bars
    )


def test_the_hubs_client_and_datasets_have_the_parts_that_are_used(monkeypatch):
    import datasets.config
    import huggingface_hub
    import huggingface_hub.constants
    from huggingface_hub import errors

    there("datasets", "config.HF_HUB_OFFLINE", OFFLINE, lambda: isinstance(datasets.config.HF_HUB_OFFLINE, bool))
    there(
        "huggingface_hub", "constants.ENDPOINT", OFFLINE, lambda: huggingface_hub.constants.ENDPOINT.startswith("http")
    )
    there("huggingface_hub", "errors.HTTPError", HUB, lambda: issubclass(errors.HTTPError, Exception))  # pyright: ignore
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")

    def stays_home() -> bool:
        try:
            huggingface_hub.HfApi(endpoint="http://127.0.0.1:9").model_info("owner/name")
        except errors.OfflineModeIsEnabled:
            return True
        except Exception:
            return False
        return False

    there("huggingface_hub", "constants.HF_HUB_OFFLINE, read at each request", OFFLINE, stays_home)


def test_streamlit_has_the_parts_that_are_used():
    from streamlit.commands import navigation
    from streamlit.runtime.pages_manager import PagesManager

    there(
        "Streamlit",
        "runtime.pages_manager.PagesManager.uses_pages_directory, set by st.navigation",
        SESSION,
        lambda: (
            hasattr(PagesManager, "uses_pages_directory") and "uses_pages_directory" in all_names(navigation.navigation)
        ),
    )


def test_plotly_has_the_parts_that_are_used():
    import plotly

    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    there("plotly", "package_data/plotly.min.js", "pages/_ui/map/heatmap.py", script.is_file)


def test_torch_has_the_parts_that_are_used():
    import torch
    from torch.utils import _python_dispatch, _pytree

    there("torch", "utils._pytree.tree_leaves", MEMORY, lambda: _pytree.tree_leaves({"a": [1, (2,)]}) == [1, 2])
    there("torch", "utils._python_dispatch.TorchDispatchMode", MEMORY, lambda: _python_dispatch.TorchDispatchMode)
    view = torch.zeros(2)
    there(
        "torch",
        "storages' _cdata, the same for all views",
        MEMORY,
        lambda: view.untyped_storage()._cdata == view[1:].untyped_storage()._cdata,
    )


@pytest.mark.parametrize("room", ["prune_core", "pages", "assets"])
def test_each_part_is_named_in_one_file(room):
    for path in (ROOT / room).rglob("*.py"):
        file = path.relative_to(ROOT).as_posix()
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            for part, only in ONLY_IN.items():
                if name == part or name.startswith(f"{part}."):
                    assert file == only, f"{file} imports {name}: go by {only}, which alone may name it"
            library, *inner = name.split(".")
            private = library not in ("prune_core", "pages") and any(re.match("_(?!_)", each) for each in inner)
            assert not private or file in ONLY_IN.values(), (
                f"{file} imports the private {name}: name it in a parts file"
            )


def imported(tree: ast.Module) -> set[str]:
    """Full names of all imports, and of what is read from imported modules by attribute ("lm_eval.utils.env")."""
    names, known = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.add(alias.name)
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names.add(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            names.add(f"{known[node.value.id]}.{node.attr}")
    return names - {"__future__.annotations"}
