"""The models that searches are tested on."""

import pytest
from transformers import PreTrainedModel

from tests.methods.models import alike_model

LAYERS = 6


@pytest.fixture(scope="module", params=["llama", "gemma2", "gpt2", "opt"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return alike_model(request.param, LAYERS)
