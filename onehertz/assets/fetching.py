"""Gets assets into the cache: what is there already, else each source in its order."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from onehertz.assets.archives import cut, take_members
from onehertz.assets.catalogue import Asset, Catalogue, load_catalogue
from onehertz.assets.client_process import Patience
from onehertz.assets.clients import fetch_archive
from onehertz.assets.conversion import tflite_to_onnx
from onehertz.assets.download import download
from onehertz.assets.progress import Progress, SilentProgress
from onehertz.assets.sources import (
    ArchiveSource,
    ConversionSource,
    HttpsSource,
    Refused,
    Source,
    SourceFailed,
)
from onehertz.assets.store import Store
from runtime.errors import UserError


class AssetsUnavailable(UserError):
    """No source could give these assets: what each said, and what to put where by hand."""

    def __init__(self, complaints: dict[str, str], refused: bool) -> None:
        super().__init__("\n\n".join(complaints.values()))
        self.names = tuple(complaints)
        self.refused = refused  # a source gave something else than the catalogue pins


def fetch(
    names: Iterable[str],
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    catalogue: Catalogue | None = None,
    patience: Patience | None = None,
) -> dict[str, Path]:
    """Have these assets in the cache; returns where each one is.

    What is there with its right hash is never fetched again, also not by two processes at once: the
    second waits and finds it. Where several assets of the catalogue lie in one archive, they are
    all taken when it is opened.

    Raises UserError for an unknown name and for a folder that can't be written; AssetsUnavailable
    (a UserError), after all other assets have been fetched, for those that no source could give.
    """
    catalogue = catalogue or load_catalogue()
    progress = progress or SilentProgress()
    wanted = [catalogue.asset(name) for name in names]
    store = Store(cache)
    try:
        missing = [asset for asset in wanted if not store.holds(asset)]
        if missing:
            with store.lock(lambda: progress.note("another process is fetching assets: waiting")):
                _Run(catalogue, store, progress, patience or Patience()).obtain_all(missing)
    except OSError as error:
        raise UserError(
            f"{store.root}: cannot be used as the assets' cache: {error.strerror or error}; "
            "set ONEHERTZ_CACHE to a folder with room"
        ) from error
    return {asset.name: store.path(asset) for asset in wanted}


def fetch_one(name: str) -> Path:
    """Have one asset in the cache, see `fetch`; returns where it is."""
    return fetch([name])[name]


def path_of(name: str, *, cache: Path | None = None, catalogue: Catalogue | None = None) -> Path:
    """Where the asset is. Raises UserError if it has not been fetched, or its hash is wrong."""
    asset = (catalogue or load_catalogue()).asset(name)
    store = Store(cache)
    path = store.path(asset)
    if store.holds(asset):
        return path
    wrong = "is not what the catalogue pins by sha256" if path.exists() else "is not there yet"
    raise UserError(f"asset {name!r} {wrong} ({path}): run `onehertz assets fetch {name}`")


class _Run:
    """One fetch, with the lock held: remembers which archives it has opened."""

    def __init__(
        self, catalogue: Catalogue, store: Store, progress: Progress, patience: Patience
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._progress = progress
        self._patience = patience
        self._refused = False
        self._opened: dict[str, dict[str, SourceFailed]] = {}  # archive → asset → what was wrong

    def obtain_all(self, assets: Iterable[Asset]) -> None:
        complaints = {}
        for asset in assets:
            if complaint := self._obtain(asset):
                complaints[asset.name] = complaint
        if complaints:
            raise AssetsUnavailable(complaints, self._refused)

    def _obtain(self, asset: Asset) -> str:
        """Empty once the asset is in the store, else what to tell the user."""
        failures = []
        for source in asset.sources:
            if self._store.holds(asset):  # another process was faster, or it lay in an archive
                return ""
            label = source.archive if isinstance(source, ArchiveSource) else str(source)
            try:
                self._from(source, asset)
            except SourceFailed as failure:
                self._refused |= isinstance(failure, Refused)
                failures.append(f"  {label}: {failure}")
                self._progress.note(f"{asset.file}: not by {label}: {failure}")
            else:
                return ""
        return self._complaint(asset, failures)

    def _complaint(self, asset: Asset, failures: list[str]) -> str:
        return "\n".join(
            [
                f"asset {asset.name!r} could not be fetched:",
                *failures,
                f"  By hand: get {asset.file} ({asset.size_bytes} bytes, {asset.attribution}) "
                f"with the sha256\n    {asset.sha256}\n  and put it at",
                f"    {self._store.path(asset)}",
            ]
        )

    def _from(self, source: Source, asset: Asset) -> None:
        if isinstance(source, HttpsSource):
            self._from_publisher(asset, source)
        elif isinstance(source, ConversionSource):
            self._from_other(asset, source)
        else:
            self._from_archive(asset, source)

    def _from_other(self, asset: Asset, source: ConversionSource) -> None:
        original = self._catalogue.asset(source.of)
        if not self._store.holds(original) and (complaint := self._obtain(original)):
            raise SourceFailed(complaint)
        self._progress.begin(asset.file, asset.size_bytes)
        partial = self._store.partial(asset)
        tflite_to_onnx(self._store.path(original), partial)
        self._keep(asset, partial, str(source))

    def _from_publisher(self, asset: Asset, source: HttpsSource) -> None:
        self._progress.begin(asset.file, asset.size_bytes)
        partial = self._store.partial(asset)
        continued = partial.exists()
        self._download(asset, source, partial)
        try:
            self._keep(asset, partial, str(source))
        except SourceFailed:
            # The fault may lie with the earlier part, from another source or a broken disk.
            if not continued:
                raise
            self._download(asset, source, partial)
            self._keep(asset, partial, str(source))

    def _download(self, asset: Asset, source: HttpsSource, partial: Path) -> None:
        download(
            source.url,
            partial,
            asset.size_bytes,
            timeout_s=self._patience.connect_s,
            reached=self._progress.reached,
        )

    def _from_archive(self, asset: Asset, source: ArchiveSource) -> None:
        if source.archive not in self._opened:
            self._opened[source.archive] = self._harvest(source)
        if failure := self._opened[source.archive].get(asset.name):
            raise failure

    def _harvest(self, source: ArchiveSource) -> dict[str, SourceFailed]:
        """Take every missing asset out of the archive; returns what was wrong with which."""
        pieces = [
            (asset, piece)
            for asset in self._catalogue.assets
            for piece in asset.sources
            if isinstance(piece, ArchiveSource)
            and piece.archive == source.archive
            and not self._store.holds(asset)
        ]
        folder = self._store.archive_folder(source.archive)
        self._progress.begin(source.archive, source.archive_bytes)
        try:
            archive = fetch_archive(
                source, folder, patience=self._patience, reached=self._progress.reached
            )
            members = take_members(
                archive, {piece.member for _, piece in pieces}, folder / "members"
            )
        except SourceFailed as failure:
            return {asset.name: failure for asset, _ in pieces}
        failures = {}
        for asset, piece in pieces:
            try:
                self._keep_piece(asset, piece, members)
            except SourceFailed as failure:
                failures[asset.name] = failure
        shutil.rmtree(folder)
        return failures

    def _keep_piece(self, asset: Asset, piece: ArchiveSource, members: dict[str, Path]) -> None:
        if piece.member not in members:
            raise SourceFailed(f"has no {piece.member} in it")
        partial = self._store.partial(asset)
        cut(members[piece.member], piece.byte_range, partial)
        self._keep(asset, partial, piece.archive)

    def _keep(self, asset: Asset, candidate: Path, label: str) -> None:
        self._store.keep(asset, candidate)
        self._progress.note(f"{asset.file}: {asset.size_bytes} bytes, by {label}")
