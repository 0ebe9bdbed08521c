"""Files from strangers are not read whole, however large they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from loa_manager import home
from loa_manager.home import read_bytes
from loa_protocol.errors import StoreError


def test_a_file_larger_than_anything_of_ours_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "MAX_READ", 10)
    file = tmp_path / "kttv.xml"
    file.write_bytes(bytes(10))
    assert read_bytes(file) == bytes(10)
    file.write_bytes(bytes(11))
    for endless in (file, Path("/dev/zero")):
        with pytest.raises(StoreError, match="10"):
            read_bytes(endless)
