"""Reads an OASIS Common Alerting Protocol 1.2 message: XML from strangers into plain values. Pure.

A CAP file gives content, never authority: whoever may sign for us reads it and signs, or does not.
The reader takes UTF-8 only, and no document type: so there are no entities to expand and nothing to
fetch. What it does not use (severity, polygons, resources) it skips; a resource's address is never
played. Element names and their meaning: CAP-v1.2-os, section 3.2.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar
from xml.parsers import expat

from loa_protocol.errors import MessageError

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 8  # alert/info/area/geocode/value is five
MAX_ELEMENTS: Final = 4000
MAX_TEXT: Final = 16_384  # characters of one element
MAX_REFERENCES: Final = 16
NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[-+]\d\d:\d\d|Z)", re.ASCII)
_IDENTIFIER = re.compile(r"[^\s,<&]{1,200}")  # no spaces, commas or restricted characters
_Word = TypeVar("_Word", bound=enum.StrEnum)


class CapStatus(enum.StrEnum):
    """How a message is to be handled."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class CapType(enum.StrEnum):
    """What a message does to earlier ones."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


class CapScope(enum.StrEnum):
    """For whom it is."""

    PUBLIC = "Public"
    RESTRICTED = "Restricted"
    PRIVATE = "Private"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapArea:
    """A place: in words, and by codes of several lists."""

    description: str
    geocodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapInfo:
    """What is to be said, in one language."""

    language: str
    event: str
    headline: str
    sender_name: str
    expires: int | None  # unix seconds
    areas: tuple[CapArea, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapMessage:
    """One message."""

    identifier: str
    sender: str
    sent: str
    status: CapStatus
    type: CapType
    scope: CapScope
    references: tuple[str, ...]
    infos: tuple[CapInfo, ...]

    @property
    def name(self) -> str:
        """The name by which later messages refer to this one: ``sender,identifier,sent``."""
        return f"{self.sender},{self.identifier},{self.sent}"


def read_cap(data: bytes) -> CapMessage:
    """Read the message *data*.

    Raises:
        MessageError: not UTF-8, not XML, with a document type, too large or too deep, or not a
            message of CAP 1.2.
    """
    if len(data) > MAX_BYTES:
        raise MessageError(f"{len(data)} bytes; a CAP message has at most {MAX_BYTES}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MessageError(f"not UTF-8 at byte {error.start}") from None
    return _message(_Tree().parse(text))


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def all(self, name: str) -> list[_Element]:
        return [child for child in self.children if child.name == name]

    def find(self, name: str) -> str:
        """Return the text of the one child *name*, empty without it."""
        found = self.all(name)
        if len(found) > 1:
            raise MessageError(f"{self.name}: {name} stands {len(found)} times")
        return _plain(found[0].text) if found else ""

    def need(self, name: str) -> str:
        text = self.find(name)
        if not text:
            raise MessageError(f"{self.name}: {name} is missing")
        return text


class _Tree:
    """Builds elements from expat's events, and stops at the first that has no business here."""

    def __init__(self) -> None:
        self._open: list[_Element] = []
        self._root: _Element | None = None
        self._count = 0
        self._parser = expat.ParserCreate("utf-8", " ")  # overrides what the file claims to be
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse
        self._parser.ProcessingInstructionHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def parse(self, text: str) -> _Element:
        try:
            self._parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            raise MessageError(f"not XML: {error}") from None
        assert self._root is not None  # expat refuses a text without a root element
        return self._root

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise MessageError(f"encoding {encoding:.40}: only UTF-8 is read")

    def _refuse(self, *_what: object) -> int:
        raise MessageError("document types, entities and processing instructions are not read")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise MessageError("nested too deep, or too many elements")
        space, _blank, local = name.rpartition(" ")
        # elements of other namespaces (a signature, an extension) are kept apart by their full name
        element = _Element(local if space == NAMESPACE else name)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        element = self._open[-1]
        if len(element.text) + len(text) > MAX_TEXT:
            raise MessageError(f"{element.name:.80}: more than {MAX_TEXT} characters")
        element.text += text


def _message(root: _Element) -> CapMessage:
    if root.name != "alert":
        raise MessageError(f"not a message of CAP 1.2 ({NAMESPACE}): {root.name:.80}")
    return CapMessage(
        identifier=_identifier(root, "identifier"),
        sender=_identifier(root, "sender"),
        sent=_written_time(root.need("sent"))[0],
        status=_word(CapStatus, root.need("status"), "status"),
        type=_word(CapType, root.need("msgType"), "msgType"),
        scope=_word(CapScope, root.need("scope"), "scope"),
        references=_references(root.find("references")),
        infos=tuple(_info(each) for each in root.all("info")),
    )


def _info(element: _Element) -> CapInfo:
    expires = element.find("expires")
    return CapInfo(
        language=element.find("language") or "en-US",  # section 3.2.2: the default
        event=element.need("event"),
        headline=element.find("headline"),
        sender_name=element.find("senderName"),
        expires=_written_time(expires)[1] if expires else None,
        areas=tuple(_area(each) for each in element.all("area")),
    )


def _area(element: _Element) -> CapArea:
    codes = element.all("geocode")
    return CapArea(
        description=element.need("areaDesc"),
        geocodes=tuple((each.need("valueName"), each.need("value")) for each in codes),
    )


def _identifier(element: _Element, name: str) -> str:
    text = element.need(name)
    if not _IDENTIFIER.fullmatch(text):
        raise MessageError(f"{name}: blanks, commas or too long: {text:.60}")
    return text


def _references(text: str) -> tuple[str, ...]:
    found = text.split()
    for each in found:
        sender, identifier, sent = (*each.split(","), "", "", "")[:3]
        if each.count(",") != 2 or not (sender and identifier and sent):
            raise MessageError(f"references: expected sender,identifier,sent, got {each:.80}")
    if len(found) > MAX_REFERENCES:
        raise MessageError(f"references: {len(found)}, at most {MAX_REFERENCES} are read")
    return tuple(found)


def _written_time(text: str) -> tuple[str, int]:
    """Return *text* as it stands, and the unix second that it means."""
    if not _TIME.fullmatch(text):
        raise MessageError(f"expected a time such as 2026-11-23T06:00:00+07:00, got {text:.60}")
    try:
        instant = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MessageError(f"no such time: {text:.60}") from None
    return text, max(0, int(instant.timestamp()))


def _word(kind: type[_Word], text: str, name: str) -> _Word:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(kind)
        raise MessageError(f"{name}: expected one of {known}, got {text:.40}") from None


def _plain(text: str) -> str:
    """Return *text* in NFC, on one line, without control characters."""
    kept = "".join(c if unicodedata.category(c) != "Cc" else " " for c in text)
    return " ".join(unicodedata.normalize("NFC", kept).split())
