"""Ports over real pseudo-terminals."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from loa_endpoint.link import ports
from loa_endpoint.link.ports import KeptPort, LineProfile, Port, PortError, open_port, port_path
from support.waiting import eventually

PLAIN = LineProfile(speed=115_200)


class Far:
    """The far end of a pseudo-terminal under a stable name, as a USB adapter has."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        self.link.symlink_to(os.ttyname(slave))
        self._slave = slave

    def unplug(self) -> None:
        self.link.unlink()
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def read(self) -> bytes:
        try:
            return os.read(self.master, 65_536)
        except BlockingIOError:
            return b""

    def settings(self) -> tuple[int, int]:
        attributes = termios.tcgetattr(self.master)
        return attributes[2], attributes[5]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    end = Far(tmp_path / "ttyUSB0")
    yield end
    if end.master >= 0:
        end.unplug()


class Host:
    """What a driver hears of its port."""

    def __init__(self, far: Far, profile: LineProfile = PLAIN) -> None:
        self.heard, self.lost, self.opened = b"", 0, 0
        self.why: list[str] = []
        self.far, self.profile = far, profile

    def open(self) -> Port:
        return open_port(
            str(self.far.link), self.profile, on_bytes=self.on_bytes, on_lost=self.why.append
        )

    def keep(self, retry_s: float = 0.01) -> KeptPort:
        return KeptPort(
            str(self.far.link),
            self.profile,
            on_opened=self.on_opened,
            on_bytes=self.on_bytes,
            on_lost=self.on_lost,
            retry_s=retry_s,
        )

    def on_bytes(self, data: bytes) -> None:
        self.heard += data

    def on_opened(self) -> None:
        self.opened += 1

    def on_lost(self) -> None:
        self.lost += 1


async def test_bytes_of_every_value_pass_unchanged_both_ways(far: Far) -> None:
    host, every = Host(far), bytes(range(256))
    port = host.open()
    port.write(every)
    got = b""
    os.write(far.master, every)

    def passed() -> bool:
        nonlocal got
        got += far.read()
        return got == every and host.heard == every

    await eventually(passed)
    port.close()


async def test_the_speed_is_set_and_can_be_seen_from_the_far_end(far: Far) -> None:
    port = Host(far, LineProfile(speed=9600)).open()
    assert far.settings()[1] == termios.B9600
    port.close()


@pytest.mark.parametrize("parity", ["E", "O"])
async def test_what_a_pseudo_terminal_cannot_do_is_left_out_there_but_remembered(
    far: Far, parity: str
) -> None:
    wished = LineProfile(
        speed=9600,
        parity=parity,  # type: ignore[arg-type]  # E or O
        stop_bits=2,
        modem_lines=False,
        rs485=True,
    )
    port = Host(far, wished).open()
    assert port.requested == wished
    assert port.applied == LineProfile(speed=9600)
    flags, _ = far.settings()
    assert flags & termios.CSIZE == termios.CS8
    assert not flags & (termios.PARENB | termios.CSTOPB)
    port.close()


def test_on_a_real_line_parity_and_stop_bits_are_asked_for(far: Far) -> None:
    fd = os.open(far.link, os.O_RDWR | os.O_NOCTTY)
    try:
        plain = ports._attributes(fd, PLAIN)[2]
        odd = ports._attributes(fd, LineProfile(speed=9600, parity="O", stop_bits=2))[2]
        even = ports._attributes(fd, LineProfile(speed=9600, parity="E"))[2]
    finally:
        os.close(fd)
    assert isinstance(plain, int)
    assert odd == plain | termios.PARENB | termios.PARODD | termios.CSTOPB
    assert even == plain | termios.PARENB


async def test_a_second_program_cannot_have_the_port(far: Far) -> None:
    port = Host(far).open()
    with pytest.raises(PortError, match="in use"):
        Host(far).open()
    port.close()
    Host(far).open().close()


async def test_a_port_that_is_not_there_says_which_and_why(tmp_path: Path) -> None:
    missing = tmp_path / "ttyUSB7"
    with pytest.raises(PortError) as refusal:
        open_port(f"serial:{missing}", PLAIN, on_bytes=print, on_lost=print)
    assert refusal.value.port == str(missing)
    assert "No such file" in refusal.value.why


async def test_a_file_is_no_serial_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PortError, match="not a serial line"):
        open_port(str(tmp_path / "file"), PLAIN, on_bytes=print, on_lost=print)


async def test_a_speed_that_no_line_has_is_refused_and_the_port_let_go(far: Far) -> None:
    with pytest.raises(PortError, match="12345"):
        Host(far, LineProfile(speed=12_345)).open()
    Host(far).open().close()


def test_a_port_can_be_named_by_scheme_or_by_path() -> None:
    assert port_path("serial:/dev/ttyS1") == port_path("pty:/dev/ttyS1") == "/dev/ttyS1"
    assert port_path("/dev/pts/3") == "/dev/pts/3"


async def test_a_pulled_cable_is_told_once_and_closes_the_port(far: Far) -> None:
    host = Host(far)
    port = host.open()
    far.unplug()
    await eventually(lambda: host.why)
    assert len(host.why) == 1
    port.write(b"into the void")  # nothing happens
    port.close()


async def test_more_than_the_line_takes_at_once_is_sent_later(far: Far) -> None:
    host, wished = Host(far), b"0123456789abcdef" * 128
    port = host.open()
    filler = 0
    slave = os.open(far.link, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        while True:
            filler += os.write(slave, b"x" * 1024)
    except BlockingIOError:
        os.close(slave)
    port.write(wished)
    got = b""

    def arrived() -> bool:
        nonlocal got
        got += far.read()
        return len(got) == filler + len(wished)

    await eventually(arrived)
    assert got[filler:] == wished
    port.close()


async def test_a_line_that_takes_nothing_any_more_is_given_up(far: Far) -> None:
    host = Host(far)
    port = host.open()
    for _ in range(100):
        port.write(b"x" * 1024)
    assert host.why == ["takes no more bytes"]


# --- keeping it


async def test_a_kept_port_opens_as_soon_as_it_is_there(tmp_path: Path, far: Far) -> None:
    far.unplug()
    host = Host(far)
    kept = host.keep()
    kept.start()
    assert host.opened == 0
    far.plug()
    await eventually(lambda: host.opened)
    kept.close()


async def test_a_kept_port_comes_back_after_the_cable_was_pulled(far: Far) -> None:
    host = Host(far)
    kept = host.keep()
    kept.start()
    for number in (1, 2, 3):
        far.unplug()
        await eventually(lambda number=number: host.lost == number)  # type: ignore[misc]  # default argument
        far.plug()
        await eventually(lambda number=number: host.opened == number + 1)  # type: ignore[misc]  # the same
    os.write(far.master, b"hello")
    await eventually(lambda: host.heard == b"hello")
    kept.close()


async def test_reopening_lets_go_of_the_line_and_takes_it_again(far: Far) -> None:
    host = Host(far)
    kept = host.keep()
    kept.start()
    first = kept.port
    kept.reopen()
    kept.write(b"lost")
    assert (host.lost, kept.port) == (1, None)
    await eventually(lambda: host.opened == 2)
    assert kept.port is not first
    kept.close()


async def test_a_closed_keeper_opens_nothing_any_more(far: Far) -> None:
    host = Host(far)
    kept = host.keep()
    kept.start()
    kept.reopen()
    kept.close()
    await asyncio.sleep(3 * ports.REOPEN_S)  # longer than it would have taken
    assert host.opened == 1
    with far.link.open("rb") as port:
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it


async def test_a_missing_port_is_logged_once_not_at_every_try(
    far: Far, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=ports.__name__)
    far.unplug()
    kept = Host(far).keep(retry_s=0.001)
    kept.start()
    await asyncio.sleep(0.05)  # some fifty tries
    far.plug()
    await eventually(lambda: kept.port)
    kept.close()
    assert [record.message for record in caplog.records] == ["port_lost", "port_opened"]
    assert caplog.records[0].__dict__["port"] == str(far.link)
