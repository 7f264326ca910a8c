"""Weights and clips of others: where they come from, and the user's cache that holds them.

None of them is in the repository. The catalogue (`models/catalogue.yaml`, `demo/clips.yaml`) pins
each by sha256 and names its licence and its sources; `fetch` tries the sources in order.

    catalogue.py  what there is          sources.py    the kinds of source
    fetching.py   the order of trying    store.py      the cache folder and its lock
    clients.py    npm, pip, apt          download.py   HTTPS, resumed
    archives.py   members of archives    progress.py   who is told how far it is
    waiting.py    until another process has fetched
"""

from onehertz.assets.catalogue import Asset, Catalogue, load_catalogue
from onehertz.assets.fetching import AssetsUnavailable, fetch, fetch_one, path_of
from onehertz.assets.store import user_cache
from onehertz.assets.waiting import wait_for

__all__ = [
    "Asset",
    "AssetsUnavailable",
    "Catalogue",
    "fetch",
    "fetch_one",
    "load_catalogue",
    "path_of",
    "user_cache",
    "wait_for",
]
