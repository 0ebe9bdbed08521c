"""A blank board on the bench, whatever it is asked."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from loa_protocol import bench
from support.bench_lab import BOARD_TIME, Board


@functools.cache
def _board() -> Board:
    folder = Path(tempfile.mkdtemp(prefix="loa-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Board(folder)


def fuzz(data: bytes) -> None:
    """Ask with *data*, bare and inside questions; answers are well-formed, and trust nothing."""
    board = _board()
    inside: tuple[bench.Question, ...] = (
        bench.InstallRoot(root=data or b"x"),
        bench.InstallAssignment(bundle=data or b"x"),
        bench.InstallCertificate(certificate=data[:4096] or b"x", authority=data[:4096] or b"x"),
    )
    for question in (data, *(bench.encode(each) for each in inside)):
        bench.parse_answer(board.server.handle(question, BOARD_TIME))
    assert board.store.bundle("root") is None
