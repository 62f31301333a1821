"""Unsupported operations that safety does not require are skipped; any other failure leaves the old file."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cos_update import files
from cos_update.file_hints import hint, words

Strike = Callable[..., None]
FOLDERS, FILES, MODES = (
    "flushing folders to the disk (fsync)",
    "flushing files to the disk (fsync)",
    "setting permissions (chmod)",
)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a function of `os` fail with an error; `only` says for which first arguments."""

    def strike(function: str, code: int, only: Callable[[Any], bool] = lambda _: True) -> None:
        real = getattr(os, function)

        def failing(first: Any, *others: Any, **more: Any) -> Any:
            if only(first):
                raise OSError(code, os.strerror(code), str(first))
            return real(first, *others, **more)

        monkeypatch.setattr(os, function, failing)

    return strike


def is_folder(handle: int) -> bool:
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def is_file(handle: int) -> bool:
    return not is_folder(handle)


def replaced(path: Path, content: bytes = b"new", **options: Any) -> list[str]:
    with files.replacing(path, path.with_name(".tmp"), granted=0o040, **options) as new:
        new.file.write(content)
        new.put_in_place()
    return new.done_without


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EPERM, errno.EISDIR])
def test_folders_that_cannot_be_flushed(tmp_path: Path, fails: Strike, code: int) -> None:
    fails("fsync", code, only=is_folder)
    assert replaced(tmp_path / "a") == [FOLDERS]
    assert (tmp_path / "a").read_bytes() == b"new"


def test_folders_that_may_not_be_opened(tmp_path: Path, fails: Strike) -> None:
    fails("open", errno.EACCES, only=lambda path: path == tmp_path)
    assert replaced(tmp_path / "a") == [FOLDERS]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_files_that_cannot_be_flushed(tmp_path: Path, fails: Strike, code: int) -> None:
    fails("fsync", code, only=is_file)
    assert replaced(tmp_path / "a") == [FILES]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EACCES, errno.EINVAL, errno.ENOSYS])
def test_permissions_that_cannot_be_set(tmp_path: Path, fails: Strike, code: int) -> None:
    fails("fchmod", code)
    assert replaced(tmp_path / "a", mode=0o600) == [MODES]
    assert replaced(tmp_path / "b", mode=0o640) == [], "they are so already"


@pytest.mark.parametrize(
    ("function", "only", "code"),
    [
        ("fsync", is_file, errno.EIO),
        ("fsync", is_file, errno.ENOSPC),
        ("fsync", is_file, errno.EDQUOT),
        ("fsync", is_file, errno.EPERM),
        ("fsync", is_folder, errno.EIO),
        ("fsync", is_folder, errno.ENOSPC),
        ("fchmod", is_file, errno.EIO),
        ("fchmod", is_file, errno.EROFS),
    ],
)
def test_what_is_a_failure_is_none_to_do_without(
    tmp_path: Path, fails: Strike, function: str, only: Callable[[Any], bool], code: int
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    fails(function, code, only=only)
    with pytest.raises(OSError, match=os.strerror(code)):
        replaced(tmp_path / "a", mode=0o600)
    assert only is is_folder or (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV, errno.EROFS, errno.ENOSPC, errno.EACCES, errno.ESTALE])
def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match=os.strerror(code)):
        replaced(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_not_put_in_place_vanishes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with contextlib.suppress(ZeroDivisionError), files.replacing(tmp_path / "a", tmp_path / ".tmp") as new:
        new.file.write(b"half")
        raise ZeroDivisionError
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_what_a_predecessor_left_half_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".tmp").write_bytes(b"half of something else")
    assert replaced(tmp_path / "a") == []
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_need_not_outlast_a_power_cut_flushes_nothing(tmp_path: Path, fails: Strike) -> None:
    fails("fsync", errno.EIO)
    assert replaced(tmp_path / "a", durable=False) == []


def test_what_is_private_is_refused_where_everybody_can_read_it(tmp_path: Path, fails: Strike) -> None:
    path = tmp_path / "a"
    path.touch(0o600)
    with path.open("rb") as file:
        files.make_private(file.fileno())
        path.chmod(0o644)
        files.make_private(file.fileno())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        fails("fchmod", errno.EPERM)
        with pytest.raises(OSError, match="others may read it"):
            files.make_private(file.fileno())


def test_a_copy_keeps_owner_permissions_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o604)
    os.utime(path, ns=(1, 2))
    if os.geteuid() == 0:
        os.chown(path, 10001, 10002)
    before = path.stat()
    with files.replacing(path, tmp_path / ".tmp") as new:
        new.file.write(b"old")
        assert new.keep(before)
        new.put_in_place()
    after = path.stat()
    for name in ("st_uid", "st_gid", "st_mode", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name)
    assert after.st_ino != before.st_ino


HINTED = [
    errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EBUSY, errno.EXDEV, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ESTALE,
    errno.ENOTCONN, errno.ENOMEM, errno.EFBIG, errno.ENOLCK,
]  # fmt: skip


@pytest.mark.parametrize("code", HINTED)
def test_each_error_has_a_hint_of_its_own(code: int) -> None:
    error = OSError(code, os.strerror(code))
    path = Path("/data/{odd}/view.pickle")
    text = hint(error, path)
    assert text
    assert words(error) == os.strerror(code)
    others = {hint(OSError(other, ""), path) for other in HINTED if other != code}
    assert text not in others or code in (errno.EBUSY, errno.EXDEV)


def test_nothing_is_made_up_about_other_errors() -> None:
    assert hint(OSError(errno.EDOM, "odd"), Path("/a/b")) == ""
    assert hint(OSError("a text alone")) == ""
    assert words(OSError("a text alone")) == "a text alone"
