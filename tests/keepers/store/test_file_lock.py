"""store/file_lock.py: one holder, who is named."""

import os
from pathlib import Path

from keepers.store.file_lock import FileLock


def test_acquire__held__names_the_holder_until_it_lets_go(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert first.acquire() is None
    assert second.acquire() == str(os.getpid())
    first.release()
    first.release()
    assert second.acquire() is None


def test_acquire__holder_that_wrote_nothing__unknown(tmp_path: Path) -> None:
    first, path = FileLock(tmp_path / "a.lock"), tmp_path / "a.lock"
    assert first.acquire() is None
    path.write_text("")
    assert FileLock(path).acquire() == "unknown"
