"""Every source that a page names leads to its paper."""

from pages._ui.shared.paper_links import linked
from prune_core.methods import METHODS
from prune_core.schema.fit import NETWORKS
from prune_core.schema.measures import EXTRA_MEASURES, MEASURES


def test_every_source_is_a_link():
    assert linked("see arXiv 2402.11187.") == "see [arXiv 2402.11187](https://arxiv.org/abs/2402.11187)."
    for source in {thing.source for thing in (*METHODS, *MEASURES, *EXTRA_MEASURES, *NETWORKS)} - {"baseline"}:
        assert linked(source).startswith("[arXiv ")
