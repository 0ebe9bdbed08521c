"""The player as a process, in virtual time: what the WAV holds is what was commanded."""

from __future__ import annotations

import pathlib
import subprocess

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from support.player_lab import at, command_line, environment, gaps_ms, play
from support.sound_files import chirp, noise, to_pcm, tone, write, write_wav

S = 48_000


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("media")
    write_wav(folder / "one.wav", chirp(8))
    write_wav(folder / "two.wav", noise(8, 0.05))
    write_wav(folder / "tone.wav", tone(8, 440, 0.1))
    write(folder / "tone.opus", tone(8, 660, 0.1))
    return folder


def prepare(media: pathlib.Path, name: str, **facts: float) -> m.Prepare:
    return m.Prepare(source=name, path=str(media / name), **facts)  # type: ignore[arg-type]  # gains


def test_two_items_lie_on_their_samples_bit_for_bit(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            prepare(media, "one.wav"),
            prepare(media, "two.wav"),
            m.Play(source="one.wav", at_ns=at(0.5), fade_in_ms=0),
            m.Play(source="two.wav", position_ms=2_000, at_ns=at(3), fade_in_ms=20),
            m.Stop(at_ns=at(4), fade_ms=100),
            m.Quit(at_ns=at(5)),
        ],
    )
    one, two, heard = to_pcm(chirp(8)), to_pcm(noise(8, 0.05)), played.samples
    assert played.code == 0
    assert not heard[: S // 2].any()
    assert np.array_equal(heard[S // 2 : 3 * S], one[: 5 * S // 2])
    assert np.array_equal(heard[3 * S + 960 : 4 * S], two[2 * S + 960 : 3 * S])
    assert not heard[4 * S + 4_800 :].any()
    assert 5 * S <= len(heard) < 5 * S + 9_600
    assert [(e.source, e.at_ns, e.offset_ms) for e in played.of(m.Started)] == [
        ("one.wav", at(0.5), 0),
        ("two.wav", at(3), 2_000),
    ]
    assert [(e.source, e.reason, e.at_ns) for e in played.of(m.Ended)] == [
        ("one.wav", "faded", at(3.02)),
        ("two.wav", "faded", at(4.1)),
    ]


@pytest.mark.requirement("RAD-4", "AUD-3")
@pytest.mark.parametrize("run", [0, 1, 2])
def test_quick_switches_leave_no_gap_and_no_click(
    tmp_path: pathlib.Path, media: pathlib.Path, run: int
) -> None:
    commands: list[m.Command] = []
    apart = 0.0611 + 0.01 * run  # s; each time elsewhere in the round of 100 ms
    for number in range(16):
        where = 570 * number % 7_000
        file = "tone.wav" if number % 2 else "tone.opus"
        path = str(media / file)
        commands.append(m.Prepare(source=str(number), path=path, position_ms=where))
        instant = at(0.5 + apart * number)
        commands.append(m.Play(source=str(number), position_ms=where, at_ns=instant))
    end = 0.5 + apart * 16
    played = play(tmp_path, [*commands, m.Quit(at_ns=at(end))])
    assert [e.source for e in played.of(m.Started)] == [str(number) for number in range(16)]
    heard = played.samples[S // 2 + 960 : round(end * S)]
    assert gaps_ms(heard) == []
    # 660 Hz at 0.1 moves 283 steps in a sample; two of them, crossing, at most 1.4 times that.
    assert np.abs(np.diff(heard.astype(np.int32))).max() < 420


def test_the_gain_of_the_playlist_and_the_volume_are_applied(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            prepare(media, "two.wav", gain_db=-6.0),
            m.Volume(gain_db=-14, ramp_ms=0),
            m.Play(source="two.wav", at_ns=at(0.5), fade_in_ms=0),
            m.Quit(at_ns=at(2)),
        ],
    )
    wanted = noise(8, 0.05)[:S] * 0.1
    assert np.abs(played.samples[S // 2 : S * 3 // 2] - wanted * 32768).max() <= 1


@pytest.mark.requirement("AUD-2")
def test_an_item_is_measured_from_what_was_written(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            prepare(media, "tone.wav", gain_db=-3.0),
            m.BeginItem(item="tin", at_ns=at(1)),
            m.BeginItem(item="nghỉ", at_ns=at(1), expected_silence=((2_000, 2_410),)),
            m.Play(source="tone.wav", at_ns=at(1), fade_in_ms=0),
            m.Stop(at_ns=at(3), fade_ms=5),
            m.Play(source="tone.wav", at_ns=at(3.4)),
            m.EndItem(item="tin", at_ns=at(5)),
            m.EndItem(item="nghỉ", at_ns=at(3.5)),
            m.Quit(at_ns=at(6)),
        ],
    )
    rest, tin = played.of(m.ItemMeasured)
    assert (tin.item, tin.started_ns, tin.ended_ns) == ("tin", at(1), at(5))
    # A sine of peak 0.1 is -23 LUFS at 1 kHz; 440 Hz weighs 0.7 dB less, the gain takes 3.
    assert tin.lufs == pytest.approx(-26.7, abs=0.4)
    assert tin.true_peak_dbtp == pytest.approx(-23, abs=0.1)
    assert tin.longest_gap_ms == tin.silent_ms == pytest.approx(395, abs=4)
    assert (rest.item, rest.longest_gap_ms) == ("nghỉ", 0)
    assert tin.xruns == 0


def test_a_meter_begins_and_ends_between_two_samples_of_a_round(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            prepare(media, "tone.wav"),
            m.Play(source="tone.wav", at_ns=at(1.0305), fade_in_ms=0),
            m.BeginItem(item="whole", at_ns=at(1.0305)),
            m.EndItem(item="whole", at_ns=at(2.0707)),
            m.BeginItem(item="early", at_ns=at(0.9805)),
            m.EndItem(item="early", at_ns=at(2.0707)),
            m.BeginItem(item="opened late", at_ns=at(0.9805), opening_ms=250),
            m.EndItem(item="opened late", at_ns=at(2.0707)),
            m.BeginItem(item="late", at_ns=at(1.5)),
            m.Stop(at_ns=at(2.0707), fade_ms=5),
            m.EndItem(item="late", at_ns=at(2.1507)),
            m.Quit(at_ns=at(3)),
        ],
    )
    gaps = {e.item: e.longest_gap_ms for e in played.of(m.ItemMeasured)}
    assert gaps["whole"] == 0
    assert gaps["early"] == pytest.approx(50, abs=1)
    assert gaps["opened late"] == 0
    assert gaps["late"] == pytest.approx(75, abs=2)


@pytest.mark.requirement("AUD-1")
def test_a_broken_file_ends_by_name_and_the_next_one_plays(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    cut = tmp_path / "cut.mp3"
    content = write(cut, tone(4)).read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    text = tmp_path / "text.opus"
    text.write_text("không phải âm thanh")
    played = play(
        tmp_path,
        [
            m.Prepare(source="cut", path=str(cut)),
            m.Prepare(source="text", path=str(text)),
            m.Prepare(source="none", path=str(tmp_path / "none.wav")),
            prepare(media, "one.wav"),
            m.Play(source="cut", at_ns=at(0.5)),
            m.Play(source="one.wav", at_ns=at(3), fade_in_ms=0),
            m.Quit(at_ns=at(4)),
        ],
    )
    ended = {e.source: e for e in played.of(m.Ended) if e.reason == "broken"}
    assert ended["text"].detail.startswith("not_audio")
    assert ended["none"].detail.startswith("unreadable")
    assert ended["cut"].detail.startswith("truncated")
    assert at(2) < ended["cut"].at_ns < at(3)
    heard = played.samples
    assert np.array_equal(heard[3 * S : 4 * S], to_pcm(chirp(8))[:S])
    assert np.abs(np.diff(heard[: 3 * S].astype(np.int32))).max() < 0.02 * 32768


def test_lines_that_are_no_commands_are_told_and_change_nothing(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            b"{}\n",
            prepare(media, "one.wav"),
            b'{"type":"play","source":"one.wav","at_ns":-1}\n\xff\xfe\n',
            m.Play(source="one.wav", at_ns=at(0.5), fade_in_ms=0),
            m.Play(source="nobody", at_ns=at(0.6)),
            m.PlayLineIn(at_ns=at(0.6)),
            m.EndItem(item="never begun"),
            m.Quit(at_ns=at(1)),
        ],
    )
    faults = [fault.name for fault in played.of(m.Fault)]
    assert sorted(faults) == sorted(["command"] * 3 + ["unknown_source", "no_line_in", "item"])
    assert np.array_equal(played.samples[S // 2 : S], to_pcm(chirp(8))[: S // 2])


def test_sources_and_items_are_bounded(tmp_path: pathlib.Path, media: pathlib.Path) -> None:
    many = [m.Prepare(source=str(n), path=str(media / "one.wav")) for n in range(20)]
    items = [m.BeginItem(item=str(n)) for n in range(6)]
    plans = [m.Volume(gain_db=0, at_ns=at(1)) for _ in range(400)]
    played = play(tmp_path, [*many, *items, *plans, m.Quit(at_ns=at(2))])
    told = [(fault.name, fault.detail.split(":")[0]) for fault in played.of(m.Fault)]
    assert [name for name, _ in told].count("item") == 2
    assert told.count(("too_many", "sources")) == 4
    assert told.count(("too_many", "plans")) >= 100
    assert played.code == 0


def test_a_source_that_sounds_is_not_replaced_and_a_released_one_is_gone(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(
        tmp_path,
        [
            prepare(media, "one.wav"),
            m.Play(source="one.wav", at_ns=at(0.5), fade_in_ms=0),
            m.Prepare(source="one.wav", path=str(media / "two.wav")),
            m.Release(source="one.wav"),
            prepare(media, "two.wav"),
            m.Release(source="two.wav"),
            m.Play(source="two.wav", at_ns=at(1)),
            m.Quit(at_ns=at(2)),
        ],
    )
    assert [f.name for f in played.of(m.Fault)] == ["already_sounding", "unknown_source"]
    assert np.array_equal(played.samples[S // 2 : 2 * S], to_pcm(chirp(8))[: S * 3 // 2])


def test_a_run_ends_by_itself_when_all_has_sounded(
    tmp_path: pathlib.Path, media: pathlib.Path
) -> None:
    played = play(tmp_path, [prepare(media, "one.wav"), m.Play(source="one.wav", at_ns=at(1))])
    assert [e.reason for e in played.of(m.Ended)] == ["end"]
    assert played.of(m.Ended)[0].at_ns == at(9)
    assert played.of(m.Beat)[-1].samples == len(played.samples)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--sink"],
        ["--sink", "tape:x"],
        ["--sink", "wav:/no/such/folder/x.wav"],
        ["--sink", "null:", "--line-in", "disc:x"],
        ["--sink", "null:", "--epoch-ns", "soon"],
        ["--loud"],
    ],
)
def test_wrong_arguments_are_told_and_end_it(tmp_path: pathlib.Path, arguments: list[str]) -> None:
    line, env = command_line(*arguments), environment()
    done = subprocess.run(line, check=False, input=b"", capture_output=True, env=env, timeout=30)
    assert done.returncode == 2
    fault = m.parse_event(done.stdout.splitlines()[0])
    assert isinstance(fault, m.Fault)
    assert fault.name == "config"
    assert fault.detail.strip() in done.stderr.decode()
