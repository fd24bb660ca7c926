"""Archives: what is unpacked is what was packed; what would harm is refused by the member's name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.errors import ConversionError, LimitExceeded, MalformedModel, UnsafeArchive
from workers.inspect.archives import Limits, is_archive, is_model_archive, unpack
from workers.inspect.upload import UploadedFile

FILES = {"net/deploy.prototxt": b"name: 'x'\n" * 200, "net/weights.caffemodel": bytes(range(256)) * 999, "a.txt": b""}


def upload(path: Path, data: bytes, name: str = "upload.bin") -> UploadedFile:
    target = path / name
    target.write_bytes(data)
    return UploadedFile(name, target, len(data))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tarred(*members: tuple[str | tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def plain_tar(format: int = tarfile.PAX_FORMAT) -> bytes:
    return tarred(*FILES.items(), format=format)


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda: zipped(FILES), id="deflated zip"),
        pytest.param(lambda: zipped(FILES, zipfile.ZIP_STORED), id="stored zip"),
        pytest.param(plain_tar, id="pax tar"),
        pytest.param(lambda: plain_tar(tarfile.GNU_FORMAT), id="gnu tar"),
        pytest.param(lambda: plain_tar(tarfile.USTAR_FORMAT), id="ustar tar"),
        pytest.param(lambda: gzip.compress(plain_tar()), id="tar.gz"),
        pytest.param(lambda: bz2.compress(plain_tar()), id="tar.bz2"),
        pytest.param(lambda: lzma.compress(plain_tar()), id="tar.xz"),
    ],
)
def test_every_kind_of_archive_gives_its_files_back(tmp_path: Path, pack: Callable[[], bytes]) -> None:
    file = upload(tmp_path, pack())
    assert is_archive(file)
    unpacked = unpack(file, tmp_path / "out")
    assert {member.name: member.path.read_bytes() for member in unpacked} == FILES
    assert [member.name for member in unpacked] == list(FILES)
    assert all(member.size == len(FILES[member.name]) for member in unpacked)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_a_tar_are_read_whole(tmp_path: Path, format: int) -> None:
    name = "/".join(["folder" * 5] * 6) + "/model.onnx"
    file = upload(tmp_path, tarred((name, b"x"), format=format))
    assert [member.name for member in unpack(file, tmp_path / "out")] == [name]


BAD_NAMES = [
    "../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "a\\b", "con", "sub/nul.txt", "x" * 4096, "a/" * 40 + "x",
    "good\u202etxt.exe", "tab\tname", "dot.", "a//b", "a/./b",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_is_no_plain_relative_path_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    data = zipped({"ok.txt": b"1", name: b"2"}) if kind == "zip" else tarred(("ok.txt", b"1"), (name, b"2"))
    with pytest.raises(UnsafeArchive):
        unpack(upload(tmp_path, data), tmp_path / "deep" / "out")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) in (["ok.txt", "upload.bin"], ["upload.bin"])


@pytest.mark.parametrize("names", [("a.txt", "A.TXT"), ("x", "x/y"), ("x/y", "x"), ("Dir/a", "dir/b")])
def test_members_that_fall_on_the_same_path_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(UnsafeArchive, match="same path"):
        unpack(upload(tmp_path, zipped({name: b"1" for name in names})), tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(UnsafeArchive, match="two members"):
        unpack(upload(tmp_path, out.getvalue()), tmp_path / "out")
    with pytest.raises(UnsafeArchive, match="same path"):
        unpack(upload(tmp_path, tarred(("a", b"1"), ("a", b"2"))), tmp_path / "out2")


def special(kind: bytes, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo("weights.bin")
    info.type = kind
    for name, value in fields.items():
        setattr(info, name, value)
    return info


@pytest.mark.parametrize(
    ("info", "word"),
    [
        (special(tarfile.SYMTYPE, linkname="/etc/passwd"), "symbolic link"),
        (special(tarfile.LNKTYPE, linkname="a"), "hard link"),
        (special(tarfile.CHRTYPE), "device"),
        (special(tarfile.BLKTYPE), "device"),
        (special(tarfile.FIFOTYPE), "pipe"),
        (special(tarfile.GNUTYPE_SPARSE), "sparse"),
        (special(tarfile.REGTYPE, mode=0o4755), "rights"),
    ],
)
def test_tar_members_that_are_no_plain_files_are_refused(tmp_path: Path, info: tarfile.TarInfo, word: str) -> None:
    with pytest.raises(UnsafeArchive, match=word):
        unpack(upload(tmp_path, tarred(("a", b"1"), (info, b""))), tmp_path / "out")


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("weights.bin")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchive, match="symbolic link"):
        unpack(upload(tmp_path, out.getvalue()), tmp_path / "out")


def test_a_bomb_is_stopped_while_it_inflates(tmp_path: Path) -> None:
    file = upload(tmp_path, zipped({"zeros": bytes(8 << 20)}))
    with pytest.raises(UnsafeArchive, match="times its size"):
        unpack(file, tmp_path / "out", Limits(ratio_from=1 << 20))
    assert (tmp_path / "out" / "zeros").stat().st_size <= 2 << 20


@pytest.mark.parametrize("pack", [lambda d: zipped({"a": d}), lambda d: gzip.compress(tarred(("a", d)))])
def test_bytes_are_counted_whatever_the_headers_say(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LimitExceeded) as caught:
        unpack(upload(tmp_path, pack(bytes(5 << 20))), tmp_path / "out", Limits(bytes=1 << 20))
    assert caught.value.problem()["which"] == "inflate"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_are_counted(tmp_path: Path, kind: str) -> None:
    names = [f"f{i}" for i in range(30)]
    data = zipped(dict.fromkeys(names, b"")) if kind == "zip" else tarred(*((name, b"") for name in names))
    with pytest.raises(UnsafeArchive, match="more than 20 members"):
        unpack(upload(tmp_path, data), tmp_path / "out", Limits(members=20))


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """Two entries of the central directory that point at the same local file, as quoted-overlap bombs do."""
    data = bytearray(zipped({"aa": b"x" * 1000, "bb": b"y" * 1000}, zipfile.ZIP_STORED))
    entry = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 42, 0)
    data[entry + 46 : entry + 48] = b"aa"
    with pytest.raises((UnsafeArchive, MalformedModel)):
        unpack(upload(tmp_path, bytes(data)), tmp_path / "out")


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"x" * 1000}))
    struct.pack_into("<I", data, data.rfind(b"PK\x01\x02") + 24, 10)
    with pytest.raises(UnsafeArchive, match="size"):
        unpack(upload(tmp_path, bytes(data)), tmp_path / "out")


def test_a_wrong_checksum_and_a_wrong_local_name_are_damage(tmp_path: Path) -> None:
    good = zipped({"abcd": b"x" * 1000}, zipfile.ZIP_STORED)
    with pytest.raises(MalformedModel, match="checksum"):
        unpack(upload(tmp_path, good.replace(b"xxxx", b"xxxy", 1)), tmp_path / "a")
    with pytest.raises(MalformedModel, match="another name"):
        unpack(upload(tmp_path, good.replace(b"abcd", b"evil", 1)), tmp_path / "b")


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz", "xz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_a_truncated_archive_is_named_damaged(tmp_path: Path, kind: str, share: float) -> None:
    big = tarred(("a", bytes(range(256)) * 100), ("b", bytes(range(255, -1, -1)) * 100))
    pack: dict[str, Callable[[], bytes]] = {
        "zip": lambda: zipped({"a": bytes(range(256)) * 100, "b": b"123" * 999}),
        "tar": lambda: big[: -20 * 512],
        "tgz": lambda: gzip.compress(big),
        "xz": lambda: lzma.compress(big),
    }
    data = pack[kind]()
    with pytest.raises(MalformedModel, match=r"upload\.bin"):
        unpack(upload(tmp_path, data[: int(len(data) * share)]), tmp_path / "out")


def test_litter_of_archivers_is_left_out(tmp_path: Path) -> None:
    file = upload(tmp_path, zipped({"__MACOSX/._m.onnx": b"1", ".DS_Store": b"2", "m.onnx": b"3"}))
    assert [member.name for member in unpack(file, tmp_path / "out")] == ["m.onnx"]


def test_an_archive_in_an_archive_stays_one_file(tmp_path: Path) -> None:
    inner = zipped({"m.onnx": b"3"})
    file = upload(tmp_path, zipped({"inner.zip": inner}))
    assert [member.path.read_bytes() for member in unpack(file, tmp_path / "out")] == [inner]


MODELS = [
    ["archive/data.pkl", "archive/data/0", "archive/version"],
    ["net/constants.pkl", "net/code/__torch__.py"],
    ["m/archive_format", "m/models/model.json"],
    ["config.json", "metadata.json", "model.weights.h5"],
    ["arr_0.npy", "arr_1.npy"],
]


@pytest.mark.parametrize("names", MODELS)
def test_a_models_own_container_stays_whole(tmp_path: Path, names: list[str]) -> None:
    assert is_model_archive(names)
    assert not is_archive(upload(tmp_path, zipped(dict.fromkeys(names, b"1"))))


@pytest.mark.parametrize("names", [["m.onnx", "m.onnx.data"], ["a.npy", "net.prototxt"], ["config.json", "x.bin"], []])
def test_other_archives_are_unpacked(names: list[str]) -> None:
    assert not is_model_archive(names)


def test_files_that_are_no_archives_are_let_be(tmp_path: Path) -> None:
    for data in (b"", b"P", b"\x08\x07\x12\x04onnx", gzip.compress(b"no tar at all" * 100), b"\x1f\x8b\x08broken"):
        assert not is_archive(upload(tmp_path, data))


def test_damage_anywhere_ends_in_one_of_our_errors(tmp_path: Path) -> None:
    """Every byte of a small archive, changed: either the contents are right, or the refusal is one of ours."""
    for number, data in enumerate((zipped({"a": b"hello", "b": b"world"}), tarred(("a", b"hello"), ("b", b"world")))):
        step = 1 if number == 0 else 7
        for position in range(0, min(len(data), 2600), step):
            changed = bytearray(data)
            changed[position] ^= 0x55
            file = upload(tmp_path, bytes(changed))
            try:
                if is_archive(file):
                    unpack(file, tmp_path / f"out{number}-{position}")
            except ConversionError:
                continue
