"""The values an officer may write in a schedule, each read by one function.

A reader takes what TOML gave and returns what it means, or raises :class:`WrongValue` with what was
expected. Vietnamese words and English ones mean the same.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from loa_protocol.language import translator
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind
from loa_protocol.scope import is_scope
from loa_protocol.stream_url import MAX_HOST, MAX_URL, is_host, is_stream_url

_ = translator("loa_manager")
_T = TypeVar("_T")
Reader = Callable[[object], _T]

_TIME = re.compile(r"([01]?\d|2[0-3])[:h]([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_LENGTH = re.compile(r"(?=\d)(?:(\d{1,3})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?", re.ASCII)
_SPAN = re.compile(r"(\d{1,4}):([0-5]\d)\s*-\s*(\d{1,4}):([0-5]\d)", re.ASCII)
_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_KEPT: Final = "/%!$&'()*+,;=:@?~"  # what is written as it stands in an address, beside letters
_PI = re.compile(r"(0[xX])?([0-9A-Fa-f]{4})", re.ASCII)

KINDS: Final = {
    "normal": BulletinKind.NORMAL,
    "thông thường": BulletinKind.NORMAL,
    "priority": BulletinKind.PRIORITY,
    "ưu tiên": BulletinKind.PRIORITY,
    "emergency": BulletinKind.EMERGENCY,
    "khẩn cấp": BulletinKind.EMERGENCY,
}
LEVELS: Final = {
    "commune": Level.COMMUNE,
    "xã": Level.COMMUNE,
    "province": Level.PROVINCE,
    "tỉnh": Level.PROVINCE,
    "central": Level.CENTRAL,
    "trung ương": Level.CENTRAL,
}
ORDERS: Final = {"decided": True, "đã chọn": True}
DUCKS: Final = {
    "background": -1500,  # dB/100: speech stays clear of music behind it
    "làm nền": -1500,
    "silent": -6000,
    "im lặng": -6000,
}
EVERY_DAY: Final = frozenset(range(7))
_EVERY_DAY_WORDS: Final = ("daily", "hằng ngày", "hàng ngày")
_WEEKDAYS: Final = {
    name: day
    for day, names in enumerate(
        ("mon t2", "tue t3", "wed t4", "thu t5", "fri t6", "sat t7", "sun cn")
    )
    for name in names.split()
}


class WrongValue(ValueError):  # noqa: N818 - not an error of ours: Fields turns it into a fault
    """A value is not what its key expects; the text says what that is."""


def plain(text: str) -> str:
    """Return *text* for comparing: NFC, lower case, no blanks around it."""
    return unicodedata.normalize("NFC", text.casefold()).strip()


def read_text(limit: int) -> Reader[str]:
    """Read text of 1 to *limit* characters, in NFC, without control characters."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise WrongValue(_("expected text in quotes"))
        text = unicodedata.normalize("NFC", value).strip()
        if not 1 <= len(text) <= limit:
            raise WrongValue(_("expected 1 to {limit} characters").format(limit=limit))
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
            raise WrongValue(_("expected text without control characters"))
        return text

    return read


def read_word(limit: int) -> Reader[str]:
    """Read text in lower case: a language or a category."""
    text = read_text(limit)
    return lambda value: text(plain(text(value)))  # some letters grow when they get small


def read_name(value: object) -> str:
    """Read a short name: letters a to z, digits and hyphens."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise WrongValue(_("expected up to 24 letters a-z, digits or hyphens"))
    return value


def read_scope(value: object) -> str:
    """Read a scope such as vn/ls/st0137."""
    if not isinstance(value, str) or not is_scope(value):
        raise WrongValue(_('expected a scope such as "vn/ls/st0137"'))
    return value


def read_file(value: object) -> str:
    """Read a media file's name: in the schedule's folder or below it, never an address.

    What plays is named by its hash; a schedule cannot make a device fetch from anywhere.
    """
    name = read_text(200)(value)
    if "://" in name or "\\" in name or name.startswith("/") or ".." in name.split("/"):
        raise WrongValue(_("expected a file in the schedule's folder, no address and no path out"))
    return name


def read_stream(value: object) -> str:
    """Read the address of a stream and return it in its one spelling, as it is signed.

    What people leave to the program is written out: an empty path, letters that are not ASCII.
    """
    expected = WrongValue(
        _('expected an address such as "https://radio.example/live.ogg", with no user in it')
    )
    text = read_text(MAX_URL)(value)
    try:
        parts = urlsplit(text)
        host, port = read_host(parts.hostname or ""), parts.port
    except (ValueError, WrongValue):
        raise expected from None
    if parts.scheme != "https":
        relayed = _("a stream is fetched by https alone; bring any other on air with: loa relay")
        raise WrongValue(relayed)
    place = quote(parts.path or "/", safe=_KEPT) + (
        f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    )
    address = f"https://{host}{f':{port}' if port not in (None, 443) else ''}{place}"
    if "@" in parts.netloc or parts.fragment or not is_stream_url(address):
        raise expected
    return address


def read_host(value: object) -> str:
    """Read the name of a server and return it as it is signed: lower case, IDNA in ASCII."""
    text = read_text(MAX_HOST)(value)
    try:
        host = text.lower().encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not is_host(host):
        raise WrongValue(
            _('expected a host such as "radio.example", got {value!r}').format(value=text)
        )
    return host


def read_true(value: object) -> bool:
    """Read ``true``: what is not so is left out."""
    if value is not True:
        raise WrongValue(_("expected true, or nothing"))
    return True


def read_integer(low: int, high: int) -> Reader[int]:
    """Read a whole number from *low* to *high*."""

    def read(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            expected = _("expected a whole number from {low} to {high}")
            raise WrongValue(expected.format(low=low, high=high))
        return value

    return read


def read_choice(words: Mapping[str, _T]) -> Reader[_T]:
    """Read one of *words*."""

    def read(value: object) -> _T:
        if not isinstance(value, str) or plain(value) not in words:
            raise WrongValue(_("expected one of: {words}").format(words=", ".join(words)))
        return words[plain(value)]

    return read


def read_duck(value: object) -> int:
    """Read by how much what plays is lowered: whole dB from 0 to 60, or a word; in dB/100."""
    if type(value) is int and 0 <= value <= 60:
        return -100 * value
    if isinstance(value, str) and plain(value) in DUCKS:
        return DUCKS[plain(value)]
    words = ", ".join(DUCKS)
    raise WrongValue(_("expected 0 to 60 (dB) or one of: {words}").format(words=words))


def read_date(value: object) -> datetime.date:
    """Read a local day: 2027-01-18 as TOML writes it, or "18/01/2027"."""
    if isinstance(value, str) and (parts := _DAY.fullmatch(value.strip())):
        day, month, year = (int(part) for part in parts.groups())
        try:
            value = datetime.date(year, month, day)
        except ValueError:
            value = None
    if type(value) is not datetime.date or not 2000 <= value.year < 2200:
        raise WrongValue(_('expected a day such as 2027-01-18 or "18/01/2027"'))
    return value


def read_time(value: object) -> int:
    """Read a local time of day, in seconds: "05:30", "5h30", or TOML's 05:30:00."""
    if isinstance(value, datetime.time):
        return value.hour * 3600 + value.minute * 60 + value.second
    if isinstance(value, str) and (parts := _TIME.fullmatch(value.strip())):
        hour, minute, second = (int(part or 0) for part in parts.groups())
        return hour * 3600 + minute * 60 + second
    raise WrongValue(_('expected a time such as "05:30"'))


def read_length(high_s: int) -> Reader[int]:
    """Read a length in seconds: 45 (minutes), "45m", "1h30m" or "90s"; at most *high_s*."""

    def read(value: object) -> int:
        seconds = 0
        if type(value) is int:
            seconds = value * 60
        elif isinstance(value, str) and (parts := _LENGTH.fullmatch(value.replace(" ", ""))):
            hours, minutes, rest = (int(part or 0) for part in parts.groups())
            seconds = hours * 3600 + minutes * 60 + rest
        if not 0 < seconds <= high_s:
            expected = _('expected a length such as 45 (minutes) or "1h30m", at most {minutes}m')
            raise WrongValue(expected.format(minutes=high_s // 60))
        return seconds

    return read


def read_days(value: object) -> frozenset[int]:
    """Read weekdays, 0 for Monday: "daily", "mon-fri", or a list of such and of t2 … cn."""
    found: set[int] = set()
    for word in value if isinstance(value, list) and value else [value]:
        days = _days_of(plain(word)) if isinstance(word, str) else frozenset()
        if not days:
            raise WrongValue(_('expected "daily", "mon-fri" or days such as ["mon", "t3", "cn"]'))
        found |= days
    return frozenset(found)


def _days_of(word: str) -> frozenset[int]:
    if word in _EVERY_DAY_WORDS:
        return EVERY_DAY
    first, dash, last = (part.strip() for part in word.partition("-"))
    start, end = _WEEKDAYS.get(first), _WEEKDAYS.get(last if dash else first)
    if start is None or end is None:
        return frozenset()
    return frozenset((start + n) % 7 for n in range((end - start) % 7 + 1))  # "sat-mon" wraps


def read_spans(value: object) -> tuple[tuple[int, int], ...]:
    """Read spans, in ms from the item's start, from a list of "m:ss-m:ss"."""
    spans = []
    for text in value if isinstance(value, list) else [value]:
        parts = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
        if parts is None:
            raise WrongValue(_('expected spans such as ["1:00-1:30"]'))
        numbers = [int(part) for part in parts.groups()]
        start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if end <= start:
            raise WrongValue(_("expected a span that ends after it begins"))
        spans.append((start * 1000, end * 1000))
    return tuple(spans)


def read_digest(value: object) -> bytes:
    """Read a SHA-256: 64 hexadecimal digits."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise WrongValue(_("expected a SHA-256 of 64 hexadecimal digits"))
    return bytes.fromhex(value)


def read_frequency_khz(value: object) -> int:
    """Read a frequency of 54 to 108 MHz, in kHz: 96.5 is 96,500."""
    if isinstance(value, int | float) and 54 <= value <= 108:  # false for not-a-number too
        khz = round(value * 1000)
        if abs(value * 1000 - khz) < 0.001:  # 96.5 has no exact form in binary
            return khz
    raise WrongValue(_("expected a frequency in MHz from 54 to 108, such as 96.5"))


def read_pi(value: object) -> int:
    """Read an RDS programme identification: "9A01" or 0x9A01."""
    if isinstance(value, str) and (digits := _PI.fullmatch(value)):
        value = int(digits[2], 16)
    if type(value) is not int or not 0 < value <= 0xFFFF:
        raise WrongValue(_('expected four hexadecimal digits such as "9A01"'))
    return value
