"""A stored table is read back equal, or it is refused; there is nothing between."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olearn_core.errors import CorruptArtifactError
from olearn_core.statistics import (
    BASE,
    SUM_LIMIT,
    Bucket,
    Cell,
    Statistics,
    Tier,
    content_hash,
    from_bytes,
    read_header,
    to_bytes,
)
from olearn_core.statistics.codec import SCHEMA_VERSION
from tests.promises.proof import examples

PROPERTY = examples(100, 10_000)
COLUMNS = ("executions", "success")
HOURLY = Bucket(Tier.HOUR, 492_000)
SMALL = Statistics.of(
    COLUMNS,
    [Cell("acme", "read", "研究者", "", HOURLY), Cell("acme", "read", "a", "domain=law", BASE)],
    np.array([[3, -2_000], [SUM_LIMIT, 1]], dtype=np.int64),
)
ARTIFACT = to_bytes(SMALL, model="success")

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
buckets = st.builds(Bucket, st.sampled_from(Tier), st.integers(0, 10**6))
cells = st.builds(Cell, names, names, names, st.just("") | names, buckets)
tables = st.lists(names, unique=True, max_size=4).flatmap(
    lambda columns: st.dictionaries(
        cells,
        st.lists(st.integers(-SUM_LIMIT, SUM_LIMIT), min_size=len(columns), max_size=len(columns)),
        max_size=5,
    ).map(
        lambda rows: Statistics.of(
            columns,
            list(rows),
            np.array(list(rows.values()), dtype=np.int64).reshape(len(rows), len(columns)),
        )
    )
)


def artifact(
    values: np.ndarray[Any, Any], described: Any, digest: bytes | None = None, **more: Any
) -> bytes:
    """Return an artifact as anybody could make one, its checksum right unless given."""
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    digest = digest or hashlib.sha256(text + values.tobytes()).digest()
    file = io.BytesIO()
    arrays: dict[str, Any] = {
        "header": np.frombuffer(text, np.uint8),
        "sha256": np.frombuffer(digest, np.uint8),
    }
    np.savez(file, **arrays, values=values, **more)
    return file.getvalue()


def described(**fields: Any) -> dict[str, Any]:
    """Return the header of a table of one cell and two columns, with these fields changed."""
    cell = ["t", "task", "a", "", [2, 0]]
    return {"schema_version": SCHEMA_VERSION, "columns": COLUMNS, "cells": [cell], **fields}


def assert_refused(data: bytes) -> None:
    """Assert that both readers refuse the bytes, and with no other error."""
    for read in (from_bytes, read_header):
        with pytest.raises(CorruptArtifactError) as caught:
            read(data)
        assert str(caught.value)


def assert_equal_or_refused(data: bytes) -> bool:
    """Assert that the bytes are refused or are the small table; return which."""
    try:
        read = from_bytes(data)
    except CorruptArtifactError:
        return False
    assert read == SMALL
    assert read.columns == SMALL.columns
    assert list(read.rows) == list(SMALL.rows)
    return True


# ---- round trip


@PROPERTY
@given(tables)
def test_a_table_is_read_back_as_it_was(table: Statistics) -> None:
    read = from_bytes(to_bytes(table))
    assert read == table
    assert read.columns == table.columns
    assert list(read.rows) == list(table.rows)
    assert read.values.tolist() == table.values.tolist()
    assert content_hash(read) == content_hash(table)
    assert all(isinstance(cell.bucket, Bucket) for cell in read.rows)


@PROPERTY
@given(tables)
def test_the_same_table_gives_the_same_bytes(table: Statistics) -> None:
    assert to_bytes(table) == to_bytes(table)
    assert to_bytes(from_bytes(to_bytes(table))) == to_bytes(table)


def test_an_empty_table_is_read_back() -> None:
    for empty in (Statistics(COLUMNS), Statistics(())):
        assert from_bytes(to_bytes(empty)).columns == empty.columns


def test_what_is_read_can_be_learned_into() -> None:
    read = from_bytes(ARTIFACT)
    read.add([Cell("acme", "read", "new", "", HOURLY)], np.array([[1, 1_000]]))
    assert len(read) == len(SMALL) + 1
    assert read != SMALL


def test_a_grown_table_is_stored_without_its_spare_rows() -> None:
    grown = Statistics(COLUMNS, rows=1_000)
    grown.merge(SMALL)
    assert to_bytes(grown) == to_bytes(SMALL)


def test_the_artifact_is_an_npz_that_needs_no_pickle() -> None:
    with np.load(io.BytesIO(ARTIFACT), allow_pickle=False) as arrays:
        assert arrays["values"].tolist() == SMALL.values.tolist()
        assert json.loads(arrays["header"].tobytes())["columns"] == list(COLUMNS)


# ---- header


def test_the_header_says_what_the_table_is() -> None:
    data = to_bytes(SMALL, model="success", offsets={"0": 17}, label="für immer")
    header = read_header(data)
    assert header["schema_version"] == SCHEMA_VERSION
    assert header["columns"] == list(COLUMNS)
    assert header["model"] == "success"
    assert header["offsets"] == {"0": 17}
    assert header["label"] == "für immer"
    assert from_bytes(data) == SMALL


def test_a_header_field_cannot_stand_in_for_the_table() -> None:
    data = to_bytes(SMALL, columns=["x"], cells=[], schema_version=99)
    assert from_bytes(data) == SMALL


# ---- hash


def test_the_hash_is_a_sha256_of_what_the_table_says() -> None:
    """A fixed value: a change would orphan every version that is stored."""
    table = Statistics.of(
        COLUMNS, [Cell("t", "task", "é", "", Bucket(Tier.DAY, 7))], np.array([[1, 0]])
    )
    said = '[[["t", "task", "é", "", [1, 7]], [["executions", 1]]]]'
    assert content_hash(table) == hashlib.sha256(said.encode()).hexdigest()


@PROPERTY
@given(tables, st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_the_order_of_rows(table: Statistics, chance: Any) -> None:
    rows = list(range(len(table)))
    chance.shuffle(rows)
    assert content_hash(table.take(rows)) == content_hash(table)


@PROPERTY
@given(tables, tables)
def test_tables_are_equal_where_their_hashes_are(one: Statistics, other: Statistics) -> None:
    assert (one == other) == (content_hash(one) == content_hash(other))


# ---- torn and changed


@pytest.mark.promise("P12")
def test_an_artifact_torn_at_any_byte_is_refused() -> None:
    for length in range(len(ARTIFACT)):
        assert_refused(ARTIFACT[:length])


@pytest.mark.promise("P12")
def test_a_flipped_bit_in_any_byte_is_refused_or_does_not_matter() -> None:
    """Only the zip's own metadata (dates, rights, versions) may change unseen."""
    content: set[int] = set()
    with zipfile.ZipFile(io.BytesIO(ARTIFACT)) as archive:
        for name in archive.namelist():
            start = ARTIFACT.index(archive.read(name))
            content |= set(range(start, start + archive.getinfo(name).file_size))
    for position in range(len(ARTIFACT)):
        for bit in range(8):
            changed = bytearray(ARTIFACT)
            changed[position] ^= 1 << bit
            read = assert_equal_or_refused(bytes(changed))
            assert not (read and position in content)
    assert len(content) > len(ARTIFACT) / 2


@pytest.mark.parametrize("value", [0x00, 0xFF, None])
def test_a_changed_byte_anywhere_is_refused_or_does_not_matter(value: int | None) -> None:
    for position in range(len(ARTIFACT)):
        changed = bytearray(ARTIFACT)
        changed[position] = changed[position] ^ 0xFF if value is None else value
        assert_equal_or_refused(bytes(changed))


@pytest.mark.promise("P12")
@examples(500, 50_000)
@given(
    st.lists(
        st.tuples(st.integers(0, len(ARTIFACT)), st.integers(0, 40), st.binary(max_size=20)),
        min_size=1,
        max_size=4,
    )
)
def test_any_damage_is_refused_or_does_not_matter(edits: list[tuple[int, int, bytes]]) -> None:
    data = ARTIFACT
    for start, removed, inserted in edits:
        data = data[:start] + inserted + data[start + removed :]
    assert_equal_or_refused(data)


@PROPERTY
@given(st.binary(max_size=100), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY"]))
def test_bytes_that_are_no_artifact_are_refused(data: bytes, magic: bytes) -> None:
    assert_refused(magic + data)


def test_the_sums_of_another_table_are_refused() -> None:
    """Each member is whole; together they are not what was saved."""
    other = SMALL + SMALL.negated() + Statistics.of(COLUMNS, list(SMALL.rows), -SMALL.values)
    members: dict[str, bytes] = {}
    for data, taken in ((ARTIFACT, ("header", "sha256")), (to_bytes(other), ("values",))):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members |= {f"{name}.npy": archive.read(f"{name}.npy") for name in taken}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    assert_refused(file.getvalue())


@pytest.mark.parametrize("name", ["header", "values", "sha256"])
def test_an_artifact_without_one_of_its_arrays_is_refused(name: str) -> None:
    with np.load(io.BytesIO(ARTIFACT)) as arrays:
        rest = {key: arrays[key] for key in arrays if key != name}
    file = io.BytesIO()
    np.savez(file, **rest)
    assert_refused(file.getvalue())


# ---- what olearn has not written


def test_a_newer_schema_is_refused_with_the_way_out() -> None:
    values = np.array([[1, 2]], dtype=np.int64)
    assert len(from_bytes(artifact(values, described()))) == 1
    newer = artifact(values, described(schema_version=SCHEMA_VERSION + 1))
    assert_refused(newer)
    with pytest.raises(CorruptArtifactError, match="upgrade olearn"):
        from_bytes(newer)


def test_a_pickle_is_refused_unread() -> None:
    """Were it read, it would leave its mark."""
    assert_refused(pickle.dumps(SMALL.values))
    assert_refused(pickle.dumps(Bomb()))
    assert Bomb.read == 0


class Bomb:
    """A thing whose unpickling is seen."""

    read = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return (_explode, ())


def _explode() -> None:
    Bomb.read += 1


@pytest.mark.parametrize("name", ["header", "values", "sha256"])
def test_arrays_of_objects_are_refused_unread(name: str) -> None:
    arrays: dict[str, Any] = {
        "header": np.zeros(1, np.uint8),
        "values": np.zeros((1, 1), np.int64),
        "sha256": np.zeros(32, np.uint8),
        name: np.array([Bomb()], dtype=object),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    assert_refused(file.getvalue())
    assert Bomb.read == 0


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1.5, 2.5]]),
        np.array([[1, 2]], dtype=">i8"),
        np.array([[1, 2]], dtype=np.uint64),
        np.array([[1, 2]], dtype=np.int32),
        np.array([[1], [2]], dtype=np.int64),
        np.array([1, 2], dtype=np.int64),
        np.array([[[1, 2]]], dtype=np.int64),
        np.zeros((0, 2), dtype=np.int64),
        np.array([["a", "b"]]),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_sums_of_another_type_or_shape_are_refused(values: np.ndarray[Any, Any]) -> None:
    """Even with the right checksum, for the checksum is no signature."""
    assert_refused(artifact(values, described()))


def test_a_wrong_checksum_is_refused() -> None:
    values = np.array([[1, 2]], dtype=np.int64)
    assert_refused(artifact(values, described(), digest=bytes(32)))
    assert_refused(artifact(values, described(), digest=b"short"))


def test_a_compressed_artifact_is_refused() -> None:
    """So that a few bytes cannot fill the memory."""
    with np.load(io.BytesIO(ARTIFACT)) as arrays:
        members = dict(arrays)
    file = io.BytesIO()
    np.savez_compressed(file, **members)
    assert_refused(file.getvalue())


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b"null", b"{}", b'{"schema_version":"1"}', b'{"schema_version":1}']
)
def test_a_header_that_describes_no_table_is_refused(header: bytes) -> None:
    assert_refused(artifact(np.zeros((0, 0), np.int64), header))
