"""For a worker beside which another process fetches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from onehertz.assets.catalogue import Catalogue, load_catalogue
from onehertz.assets.store import Store

log = logging.getLogger("onehertz.assets")

_EVERY_S = 1.0


def wait_for(
    names: Iterable[str],
    pause: Callable[[float], object] = time.sleep,
    catalogue: Catalogue | None = None,
) -> None:
    """Return when all of them are in the cache, whoever fetches them.

    `pause` waits for so many s. Raises UserError for a name that the catalogue has not.
    """
    known, store = catalogue or load_catalogue(), Store()
    for asset in [known.asset(name) for name in names]:
        if not store.holds(asset):
            log.info("waiting until somebody has fetched %s: %s", asset.name, store.path(asset))
        while not store.holds(asset):
            pause(_EVERY_S)
