"""The broker's configuration and log, as text; what its words become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fuzz import fuzz_broker_log, fuzz_callout
from loa_manager.serve.broker_config import BrokerConfig, BrokerEvent, read_line, restart_delay
from loa_manager.serve.repeats import Repeats

CONFIG = BrokerConfig(
    host="0.0.0.0",
    mqtt_port=8883,
    client_port=-1,
    store=Path("/srv/loa/broker/store"),
    certificate=Path("/proc/self/fd/5"),
    key=Path("/proc/self/fd/6"),
    clients=Path("/proc/self/fd/7"),
    issuer="AISSUER",
    user="UUSER",
)


def test_the_configuration_states_every_limit_and_every_lock() -> None:
    text = CONFIG.to_text()
    mqtt = text[text.index("mqtt {") : text.index("accounts {")]
    assert 'listen: "0.0.0.0:8883"' in mqtt
    assert "verify: true" in mqtt
    assert text.count('min_version: "1.3"') == 2  # both listeners
    assert 'listen: "127.0.0.1:-1"' in text  # the client port never leaves the machine
    assert "max_payload: 524288" in text
    for limit in ("max_connections", "max_pending", "max_file_store", "max_memory_store"):
        assert f"{limit}: " in text
    assert "http" not in text  # no monitoring port


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert 'listen: "[::1]:8883"' in replace(CONFIG, host="::1").to_text()


def test_a_path_with_a_quote_stays_one_value() -> None:
    text = replace(CONFIG, store=Path('/srv/a"b }')).to_text()
    assert r'store_dir: "/srv/a\"b }"' in text


def test_the_ports_that_the_broker_picked_are_read_from_its_log() -> None:
    mqtt = read_line("[12] [INF] Listening for MQTT clients on tls://127.0.0.1:18883\n")
    own = read_line(
        "[12] 2026/11/22 21:17:03.388630 [INF] Listening for client connections on [::1]:4"
    )
    assert mqtt is not None
    assert (mqtt.name, mqtt.port) == ("broker_mqtt_listens", 18883)
    assert own is not None
    assert (own.name, own.port) == ("broker_client_listens", 4)


def test_a_refused_client_is_a_warning_with_its_address_and_the_reason() -> None:
    line = "[9] [ERR] 10.1.2.3:53679 - mid:27 - TLS handshake error: tls: no certificate"
    assert read_line(line) == BrokerEvent(
        "client_tls_refused", 30, "10.1.2.3", "tls: no certificate"
    )
    line = '[9] [ERR] 10.1.2.3:5 - mid:8 - "aa" - Publish Violation - Subject "up.bb.batch"'
    event = read_line(line)
    assert event is not None
    assert (event.name, event.who) == ("client_forbidden", "10.1.2.3")


def test_the_brokers_last_word_is_an_error_and_small_talk_is_not_shown() -> None:
    fatal = read_line("[9] [FTL] Error listening on port: 0.0.0.0:8883")
    assert fatal is not None
    assert (fatal.name, fatal.level) == ("broker_said", 40)
    small = read_line("[9] [INF] Starting JetStream")
    assert small is not None
    assert small.level == 10
    assert read_line("panic: runtime error") is None


@given(st.binary(max_size=400))
def test_no_strangers_words_break_the_log(data: bytes) -> None:
    fuzz_broker_log.fuzz(data)


@given(st.binary(max_size=200))
def test_no_strangers_words_break_the_call_out(data: bytes) -> None:
    fuzz_callout.fuzz(data)


def test_a_long_saying_is_cut() -> None:
    event = read_line("[9] [ERR] " + "x" * 5000)
    assert event is not None
    assert len(event.detail) == 300


def test_one_saying_of_one_speaker_passes_once_a_minute_with_a_count() -> None:
    repeats = Repeats(window_s=60, most=3)
    assert repeats.admit("refused", "10.0.0.1", now=0) == 0
    assert [repeats.admit("refused", "10.0.0.1", now=n) for n in (1, 30, 59.9)] == [None] * 3
    assert repeats.admit("refused", "10.0.0.2", now=2) == 0
    assert repeats.admit("refused", "10.0.0.1", now=60) == 3


def test_a_thousand_speakers_do_not_fill_the_memory() -> None:
    repeats = Repeats(most=10)
    for n in range(1000):
        assert repeats.admit("refused", str(n), now=0) == 0
    assert len(repeats._seen) <= 10


def test_a_broker_that_keeps_failing_is_tried_ever_less_often() -> None:
    delays = [restart_delay(n) for n in range(20)]
    assert delays[0] == 0.2
    assert delays == sorted(delays)
    assert delays[-1] == 30
