"""ConnectomeBench2 parquet, read a row group at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectome.errors import InputError, VolumeError
from inference.datasets.formats.base import Format, ImportedSamples, Row
from inference.datasets.formats.cb2_rows import Described, UnusableRowError, described
from inference.datasets.formats.cb2_schema import (
    MASK_VIEWS,
    PLANES,
    arrow,
    em_column,
    is_picture,
    mask_column,
    release_of,
)
from inference.datasets.formats.later import LaterEdits
from inference.datasets.formats.pictures import OURS, SamplePictures, upright
from inference.datasets.samples import Part, Sample
from proofreading.verdicts import Task

__all__ = ["import_cb2", "parquet_files", "release_at"]

_NOT_SAMPLES = {"metadata"}


def parquet_files(path: Path) -> list[Path]:
    """Return the files of a data set: the file itself, or those of a folder in order.

    Lists of samples (``metadata/``) are left out, and ``demo.parquet`` where there are
    other files, of which it is a copy.

    Raises
    ------
    InputError
        If there is none.
    """
    if path.is_file():
        return [path]
    inside = sorted(path.rglob("*.parquet"))
    found = [one for one in inside if not _NOT_SAMPLES & set(one.relative_to(path).parts)]
    shards = [one for one in found if one.name != "demo.parquet"]
    if not found:
        raise InputError(f"The folder {path} holds no parquet file.", "Choose another folder.")
    return shards or found


def release_at(path: Path) -> Format:
    """Return which release of the data set a file or folder is.

    Raises
    ------
    InputError
        If it is neither, or files of both.
    VolumeError
        If a file is damaged.
    """
    releases = {_release(file) for file in parquet_files(path)}
    if len(releases) > 1:
        raise InputError(
            f"The folder {path} holds both releases of ConnectomeBench2.",
            "Read each from its own folder.",
        )
    return releases.pop()


def import_cb2(path: Path, later: LaterEdits | None = None) -> ImportedSamples:
    """Return the questions of a file or folder; pictures are read as they are asked for.

    Parameters
    ----------
    later : LaterEdits or None
        Edits that pairs labelled as two neurons are compared with: the published set
        did not.

    Raises
    ------
    InputError
        If it is no such data set.
    VolumeError
        If a file is damaged.
    """
    release, files = release_at(path), parquet_files(path)
    dropped: Counter[str] = Counter()
    found: dict[str, Sample] = {}
    parts: dict[str, Part] = {}
    for one in _questions(files, dropped):
        if one.sample.id in found:
            dropped["the same question again"] += 1
            continue
        if later is not None and _joined(one.sample, later):
            dropped["separate pairs that a later edit joins"] += 1
            continue
        found[one.sample.id] = one.sample
        if one.part is not None:
            parts[one.sample.id] = one.part
    return ImportedSamples(
        format=release,
        samples=tuple(found.values()),
        parts=parts,
        dropped=dropped,
        notes=_notes(release, found.values()),
        read_rows=lambda: _rows(files, found.keys()),
    )


def _release(path: Path) -> Format:
    with closing(_opened(path)) as file:
        return file.release


@dataclass(frozen=True)
class _File:
    path: Path
    parquet: Any
    release: Format
    columns: tuple[str, ...]

    def close(self) -> None:
        """Close the file."""
        self.parquet.close()

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows, of which one row group is in memory at a time."""
        pa, _ = arrow()
        for group in range(self.parquet.num_row_groups):
            try:
                found = self.parquet.read_row_group(group, columns=list(columns)).to_pylist()
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                raise _damaged(self.path) from error
            yield from found


def _opened(path: Path) -> _File:
    pa, parquet = arrow()
    try:
        file = parquet.ParquetFile(path)
        columns = tuple(file.schema_arrow.names)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(path) from error
    try:
        return _File(path, file, release_of(columns), columns)
    except InputError as error:
        raise InputError(f"{path.name}: {error.message}", error.hint) from error


def _questions(files: Sequence[Path], dropped: Counter[str]) -> Iterator[Described]:
    for path in files:
        with closing(_opened(path)) as file:
            small = [name for name in file.columns if not is_picture(name)]
            for row in file.rows(small):
                try:
                    yield described(row, file.release)
                except UnusableRowError as error:
                    dropped[str(error)] += 1


def _joined(sample: Sample, later: LaterEdits) -> bool:
    pair = sample.segments
    separate = sample.task is Task.SPLIT_ERROR_CORRECTION and not sample.label
    return separate and len(pair) == 2 and later.join(pair[0], pair[1])


def _rows(files: Sequence[Path], wanted: Collection[str]) -> Iterator[Row]:
    seen: set[str] = set()
    for path in files:
        with closing(_opened(path)) as file:
            for row in file.rows(file.columns):
                try:
                    one = described(row, file.release)
                except UnusableRowError:
                    # Counted when the questions were read.
                    continue
                if one.sample.id in wanted and one.sample.id not in seen:
                    seen.add(one.sample.id)
                    yield Row(one.sample, one.part, _pictures_in(path, row, file.release, one))


def _pictures_in(
    path: Path, row: Mapping[str, Any], release: Format, one: Described
) -> SamplePictures:
    try:
        return _pictures(row, release, one)
    except VolumeError as error:
        raise VolumeError(
            f"{path.name}, question {one.sample.id}: {error.message}", error.hint
        ) from error


def _pictures(row: Mapping[str, Any], release: Format, one: Described) -> SamplePictures:
    geometry, em, frame = row.get("geometry"), _images(row, release), one.frame
    if release is Format.CB2_V1:
        # The second release has of each question what its task asks about.
        if one.sample.task is Task.MERGE_ERROR_IDENTIFICATION:
            geometry = row.get("geometry_single")
        em = {plane: upright(png, plane) for plane, png in em.items()}
        frame = replace(frame, em_orientation=OURS)
    masks = {view: _bytes(row.get(mask_column(view))) for view in MASK_VIEWS}
    kept = {view: png for view, png in masks.items() if png is not None}
    return SamplePictures(geometry, em, kept, frame)


def _images(row: Mapping[str, Any], release: Format) -> dict[str, bytes]:
    found = {plane: _bytes(row.get(em_column(plane, release))) for plane in PLANES}
    return {plane: png for plane, png in found.items() if png is not None}


def _bytes(value: object) -> bytes | None:
    # A picture stands as bytes, or as Hugging Face's pair of bytes and path.
    found = value.get("bytes") if isinstance(value, Mapping) else value
    return found if isinstance(found, bytes) else None


def _damaged(path: Path) -> VolumeError:
    return VolumeError(
        f"The file {path} is damaged or no parquet file.", "Get the file again, or leave it out."
    )


def _notes(release: Format, samples: Any) -> tuple[str, ...]:
    if not any(sample.notes.get("format") == release.value for sample in samples):
        return ()
    found = [
        "The views' extent is not known: the files state the mean of the range that it was "
        "drawn from.",
        "Depth in the views is stretched for each mesh by itself, so that which of two stands "
        "in front cannot be told from it.",
        "Touching pairs labelled as two neurons were not compared with later edits.",
    ]
    if release is Format.CB2_V1:
        found.append("The slices were published transposed or mirrored and are turned back.")
    else:
        found.append("The orientation of the slices is not stated.")
    return tuple(found)
