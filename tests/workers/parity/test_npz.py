"""Sample files: equal bytes for equal arrays, and no belief in what a header states."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workers.errors import InvalidOptions, LimitExceeded
from workers.parity import npz


def header(shape: str, descr: str = "<f4", order: str = "False") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def test_numpy_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    arrays = {
        "a/b": np.arange(6, dtype=np.int64).reshape(2, 3),
        "half": np.array([1.5], np.float16),
        "flag": np.array([[True]]),
        "none": np.zeros((0, 4), np.float32),
        "scalar": np.array(3.0),
        "words": np.array(["x", "yy"]),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    npz.save(tmp_path / "ours.npz", arrays)
    np.savez(tmp_path / "theirs.npz", **arrays)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as read:
        theirs = {name: read[name] for name in read.files}
    for name, array in arrays.items():
        for back in (theirs[name], npz.load(tmp_path / "theirs.npz")[name], npz.load(tmp_path / "ours.npz")[name]):
            assert back.dtype == array.dtype
            np.testing.assert_array_equal(back, array)


def test_compressed_and_big_endian_arrays_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.arange(5, dtype=">i4"))
    read = npz.load(tmp_path / "x.npz")["a"]
    assert read.tolist() == [0, 1, 2, 3, 4] and read.dtype == np.dtype("int32") and read.dtype.isnative


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        npz.save(tmp_path / name, {"x": np.arange(4.0), "y": np.ones((2, 2), np.float32)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "not an archive": lambda p: (p.write_bytes(b"\x89PNG\r\n"), p)[1],
    "empty": lambda p: (p.write_bytes(b""), p)[1],
    "a shape of 2**62": lambda p: archive(p, a=header("(4611686018427387904,)") + bytes(4)),
    "two negative sizes": lambda p: archive(p, a=header("(-2, -2)") + bytes(16)),
    "fewer bytes than stated": lambda p: archive(p, a=header("(100,)") + bytes(4)),
    "more bytes than stated": lambda p: archive(p, a=header("(1,)") + bytes(400)),
    "no elements of a huge shape": lambda p: archive(p, a=header("(0, 4611686018427387904, 4611686018427387904)")),
    "elements of no bytes": lambda p: archive(p, a=header("(1099511627776,)", "|S0")),
    "objects": lambda p: archive(p, a=header("(1,)", "|O") + bytes(8)),
    "records": lambda p: archive(p, a=header("(1,)").replace(b"'<f4'", b"[('a', '<f4')]") + bytes(4)),
    "a header that is code": lambda p: archive(p, a=header("().__class__.__mro__") + bytes(4)),
    "no header": lambda p: archive(p, a=b"hello"),
    "an unknown version": lambda p: archive(p, a=b"\x93NUMPY\x09\x00" + header("(1,)")[8:] + bytes(4)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_plain_archive_of_arrays_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path = HOSTILE[kind](tmp_path / "io.npz")
    with pytest.raises(InvalidOptions, match=r"io\.npz"):
        npz.load(path)


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "io.npz", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(InvalidOptions, match=r"readme\.txt"):
        npz.load(tmp_path / "io.npz")


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1))
    with zipfile.ZipFile(tmp_path / "io.npz", "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("a.npy", buffer.getvalue())
        file.writestr("a.npy", buffer.getvalue())
    with pytest.raises(InvalidOptions, match="twice"):
        npz.load(tmp_path / "io.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "io.npz", a=header("(4000000,)") + bytes(16_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(LimitExceeded) as raised:
        npz.load(path, limit=1_000_000)
    assert raised.value.extra["which"] == "size"


def test_too_many_arrays_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "io.npz", **{f"a{i}": b"" for i in range(npz.MEMBERS + 1)})
    with pytest.raises(LimitExceeded, match="4097 arrays"):
        npz.load(path)


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, a=np.random.default_rng(0).random(1000))
    data = bytearray(whole.read_bytes())
    data[200:400] = bytes(200)
    (tmp_path / "io.npz").write_bytes(data)
    with pytest.raises(InvalidOptions):
        npz.load(tmp_path / "io.npz")
