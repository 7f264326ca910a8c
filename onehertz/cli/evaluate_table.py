"""The rows of `onehertz evaluate gate`, for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from onehertz.evaluate.report import Row

_COLUMNS = {
    "source": "source",
    "frames": "ticks",
    "dropped": "dropped",
    "oracle_dropped": "oracle",
    "f1": "F1",
    "f1_tolerant": "toler.",
    "f1_p5": "5th",
    "presence_recall": "presence",
    "presence_missed": "missed",
    "onset_recall": "onsets",
}
_COUNTED = {
    "boxes": "boxes",
    "recall": "recall",
    "f1": "F1",
    "objects": "objects",
    "objects_shown": "shown",
    "onsets": "onsets",
    "onset_recall": "caught",
}
_SWEPT = {
    "height": "height",
    "jpeg_quality": "quality",
    "interval_s": "every s",
    "f1": "F1",
    "gated_f1": "gated",
    "dropped": "dropped",
    "cpu_ms_per_frame": "CPU ms",
    "bytes_per_frame": "bytes",
}
_LISTED = 12  # objects missed


def print_rows(rows: Sequence[Row]) -> None:
    """For each judge and warm-up a table of the sources, then what is said of the last row."""
    console = Console()
    for group in dict.fromkeys(map(_group, rows)):
        chosen = [row for row in rows if _group(row) == group]
        console.print(_table(_title(chosen[0]), _COLUMNS, chosen))
        last = chosen[-1]
        for title, key in (("class", "by_class"), ("size", "by_size")):
            counted = [{title: name} | one for name, one in last[key].items()]
            if counted:
                console.print(_table("", {title: title} | _COUNTED, counted))
        for line in (*_baselines(last), *_missed(last)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print()


def print_sweep(rows: Sequence[Row]) -> None:
    """A table for each source and model."""
    console = Console()
    for source, model in dict.fromkeys((row["source"], row["model"]) for row in rows):
        chosen = [row for row in rows if (row["source"], row["model"]) == (source, model)]
        console.print(_table(f"{Path(source).name}, {model}", _SWEPT, chosen))


def _group(row: Row) -> tuple[str, ...]:
    return row["model"], row["feedback"], row["warm_up"]


def _title(row: Row) -> str:
    taught = "" if row["feedback"] is None else f", feedback from {row['feedback']}"
    warmed = {
        "none": "",
        "first": ", warmed up on the first 40 %, judged on the last 60 %",
        "last": ", warmed up on the last 60 %, judged on the first 40 %",
    }
    return f"judged by {row['model']}{taught}{warmed[row['warm_up']]}"


def _table(title: str, columns: Mapping[str, str], rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for place, name in enumerate(columns.values()):
        if place == 0:
            table.add_column(name, min_width=14, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(key, row[key]) for key in columns))
    return table


def _cell(key: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if key == "source":
        return Path(str(value)).name
    return f"{100 * float(value):.1f} %" if key.endswith("dropped") else str(value)


def _baselines(row: Row) -> Iterator[str]:
    if row["f1"] is None:
        yield "no tick to judge"
        return
    if row["f1_worst"] < 1:
        yield (
            f"worst: F1 {row['f1_worst']} at {row['worst_at_s']:.2f} s of"
            f" {Path(row['worst_source']).name}: frame {row['worst_frame']}, dropped as equal to"
            f" frame {row['worst_sameas_frame']}"
        )
    yield f"dropped at the gate's F1 of {row['f1']}: gate {_percent(row['dropped'])}, " + ", ".join(
        f"{name} {_percent(one['dropped'])}" for name, one in row["baselines"].items()
    )
    if row["scenes"]:
        yield "ticks with something about the whole picture: " + ", ".join(
            f"{scene} {count}" for scene, count in row["scenes"].items()
        )
    if "everywhere" in row:
        yield "dropped with one threshold and an F1 of 0.95 on every source: " + ", ".join(
            f"{name} {_percent(one['dropped'])}" for name, one in row["everywhere"].items()
        )


def _percent(value: float | None) -> str:
    return "at no threshold" if value is None else f"{100 * value:.1f} %"


def _missed(row: Row) -> Iterator[str]:
    missed = row["objects_missed"]
    if not missed:
        return
    yield (
        f"objects seen on two ticks or more that no kept frame shows: {len(missed)}, of which"
        f" {row['objects_missed_sure']} more than 0.15 above the judge's threshold"
    )
    for one in missed[:_LISTED]:
        doubt = "" if one["sure"] else ", doubtful"
        yield (
            f"  {Path(one['source']).name} {one['from_s']:.2f} to {one['to_s']:.2f} s:"
            f" {one['label']}, {one['size']}, {one['ticks']} ticks, score {one['score']}{doubt}"
        )
    if len(missed) > _LISTED:
        yield f"  and {len(missed) - _LISTED} more (--json has all)"
