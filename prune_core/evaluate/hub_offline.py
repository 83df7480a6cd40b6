"""The switch that keeps `datasets` and huggingface_hub from the network, and whether there is any need for it.

Undocumented parts of both libraries are named here alone: the values `HF_HUB_OFFLINE` of huggingface_hub.constants and
datasets.config, which both read at each download (the environment variable of that name is read once, at import), and
`huggingface_hub.constants.ENDPOINT`, the hub's address. tests/test_library_parts.py tells when they change.
"""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets.config
import huggingface_hub.constants

HUB_TIMEOUT_S = 3
SWITCHES: tuple[Any, ...] = (huggingface_hub.constants, datasets.config)


@contextmanager
def offline_when_unreachable() -> Iterator[None]:
    """Where the hub does not answer, say so to `datasets` first: else each data set spends half a minute on retries.

    Data sets that are in the local cache load all the same.
    """
    before = [module.HF_HUB_OFFLINE for module in SWITCHES]
    if not all(before) and not _hub_answers():
        for module in SWITCHES:
            module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module, value in zip(SWITCHES, before, strict=True):
            module.HF_HUB_OFFLINE = value


def _hub_answers() -> bool:
    """Whether anything answers at the hub's address, through the proxy that the environment names."""
    request = urllib.request.Request(huggingface_hub.constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:  # an answer, if an unfriendly one
        return True
    except OSError:
        return False
    return True
