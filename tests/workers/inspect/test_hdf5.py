"""HDF5 files that would read foreign files, allocate without end or lead in circles are refused before any byte."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from workers.errors import ConversionError, LimitExceeded, MalformedModel, UnsafeModel, UnsupportedOperators
from workers.inspect.hdf5 import Hdf5Limits, open_hdf5
from workers.inspect.upload import Upload, UploadedFile


def upload(path: Path) -> UploadedFile:
    return Upload.of(path).files[0]


def arrays(path: Path, limits: Hdf5Limits | None = None) -> dict[str, np.ndarray]:
    with open_hdf5(upload(path), limits or Hdf5Limits()) as file:
        return {name: dataset.read() for name, dataset in file.walk() if dataset is not None}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(4.0, dtype=np.float32)
    return path


def test_reads_every_dataset_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    want = {"/a/b/0": np.ones((2, 3), np.float32), "/z": np.arange(5), "/half": np.ones(3, np.float16)}
    with h5py.File(path, "w") as file:
        for name, array in want.items():
            file[name] = array
        file.create_group("empty")
    got = arrays(path)
    assert set(got) == set(want)
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array)


@pytest.mark.parametrize("userblock", [0, 512])
def test_contiguous_data_is_a_view_on_the_file_and_chunked_data_a_copy(tmp_path: Path, userblock: int) -> None:
    path = tmp_path / "a.h5"
    data = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["plain"] = data
        file.create_dataset("packed", data=data, compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("big_endian", data=data.astype(">f4"))
    got = arrays(path)
    assert not got["/plain"].flags.owndata
    for array in got.values():
        np.testing.assert_array_equal(array, data)


def test_groups_are_yielded_before_what_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data/conv1/0"] = np.zeros(1)
        file.create_group("data/relu1")
    with open_hdf5(upload(path)) as file:
        assert [name for name, _ in file.walk()] == ["/data", "/data/conv1", "/data/relu1", "/data/conv1/0"]


def test_an_external_link_is_refused(tmp_path: Path, secret: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["stolen"] = h5py.ExternalLink(str(secret), "/x")
    with pytest.raises(UnsafeModel, match="/stolen is a link into another file"):
        arrays(path)


@pytest.mark.parametrize("target", ["/door/x", "door/x"])
def test_a_soft_link_through_an_external_link_is_refused(tmp_path: Path, secret: Path, target: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = h5py.SoftLink(target)
        file["door"] = h5py.ExternalLink(str(secret), "/")
    with pytest.raises(UnsafeModel, match="another file"):
        arrays(path)


def test_external_raw_storage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("d", (8,), "u1", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(UnsafeModel, match="keeps its data in another file"):
        arrays(path)


def test_a_virtual_dataset_is_refused(tmp_path: Path, secret: Path) -> None:
    path = tmp_path / "a.h5"
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("v", layout)
    with pytest.raises(UnsafeModel, match="virtual dataset"):
        arrays(path)


def test_a_declared_size_beyond_the_limit_is_refused_without_allocating(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (1_000_000, 1_000_000), "f4", chunks=(1000, 1000))
    with pytest.raises(LimitExceeded) as caught:
        arrays(path)
    assert caught.value.extra["which"] == "memory"


def test_a_compression_bomb_is_refused_before_inflating(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("bomb", data=np.zeros(64 << 20, "u1"), chunks=(1 << 20,), compression="gzip")
    with pytest.raises(LimitExceeded) as caught:
        arrays(path)
    assert caught.value.extra["which"] == "inflate"


def test_all_copies_together_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for index in range(4):
            noise = np.frombuffer(np.random.default_rng(0).bytes(1000), "u1")
            file.create_dataset(str(index), data=noise, chunks=(100,))
    with pytest.raises(LimitExceeded):
        arrays(path, Hdf5Limits(total=2500))


@pytest.mark.parametrize("target", ["/b", "/nowhere", "/", "/group/deeper"])
def test_soft_links_in_circles_or_to_nowhere_end_in_an_error(tmp_path: Path, target: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_group("group")
        file["a"] = h5py.SoftLink(target)
        file["b"] = h5py.SoftLink("/a")
    with pytest.raises(MalformedModel):
        arrays(path)


def test_a_group_that_holds_itself_is_walked_once(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["g/x"] = np.ones(2)
        file["g/self"] = file["g"]
    assert list(arrays(path)) == ["/g/x"]


def test_a_soft_link_inside_the_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["real/x"] = np.ones(2)
        file["a"] = h5py.SoftLink("real/x")
    assert list(arrays(path)) in (["/a"], ["/real/x"])


def test_too_many_objects_and_too_deep_a_tree_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["/".join("abcdefgh")] = np.ones(1)
    with pytest.raises(LimitExceeded):
        arrays(path, Hdf5Limits(objects=3))
    with pytest.raises(LimitExceeded):
        arrays(path, Hdf5Limits(depth=3))


def test_an_unknown_filter_is_named_and_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10,))
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((10,))
        dataset = h5py.h5d.create(file.id, b"z", h5py.h5t.IEEE_F32LE, space, plist)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones(10, "f4"))
    with pytest.raises(UnsupportedOperators, match="filter 32015"):
        arrays(path)


def test_strings_and_objects_are_not_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["text"] = "hello"
    with pytest.raises(MalformedModel, match="not numbers"):
        arrays(path)


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_malformed(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for index in range(20):
            file[f"data/{index}/0"] = np.ones(100, np.float32)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(MalformedModel, match=r"truncated|damaged"):
        arrays(path)


def test_damaged_bytes_end_in_data_or_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data/conv/0"] = np.ones((4, 4), np.float32)
    raw = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(40):
        broken = bytearray(raw)
        for position in rng.integers(0, 96, 2):
            broken[position] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            arrays(path)
        except ConversionError as error:
            assert error.problem()["detail"]
