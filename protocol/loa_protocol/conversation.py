"""Question and answer over a line that loses, repeats and garbles: one frame in flight.

The tool asks, the board answers; each message travels in parts, each part is repeated until it is
acknowledged. What is not a valid frame of this conversation is never answered. Deadlines are data:
the caller waits until :meth:`Conversation.next_deadline` or for bytes, whichever comes first.

A question may arrive twice (its acknowledgement or its answer got lost and the tool asked anew), so
whatever a question does must be idempotent. Times are milliseconds of any clock that never goes
back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from loa_protocol.frames import Frame, FrameDecoder, Side, encode, split


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long to wait. A full line takes 270 ms each way at 9,600 baud."""

    ack_ms: int = 1_000
    attempts: int = 8
    answer_ms: int = 20_000  # the board writes to a slow card before it answers


@dataclass(frozen=True, slots=True)
class Write:
    """Effect: write these bytes to the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """Effect: a whole message has come."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Effect: the other side said nothing for so long; the message is dropped."""

    after_ms: int


Effect = Write | Received | GaveUp


@dataclass(slots=True)
class _Outgoing:
    """A message on its way."""

    key: tuple[int, int]
    parts: list[bytes]
    since_ms: int
    at: int = 0
    attempts: int = 0


@dataclass(slots=True)
class _Incoming:
    """A message on its way to us; it stays when complete, to acknowledge repetitions."""

    key: tuple[int, int]
    count: int
    parts: list[bytes] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return len(self.parts) == self.count


class Conversation:
    """One side of the line."""

    def __init__(self, side: Side, *, session: int = 0, timing: Timing | None = None) -> None:
        """Begin; the tool gives a *session* of 32 random bits, the board takes the tool's."""
        self.side = side
        self.timing = timing or Timing()
        self.decoder = FrameDecoder()
        self._key = (session, 0)
        self._out: _Outgoing | None = None
        self._in: _Incoming | None = None
        self._deadline: int | None = None
        self._asked_ms: int | None = None  # the tool's: when the open question was asked

    def next_deadline(self) -> int | None:
        """Return when :meth:`tick` wants to be called; None where nothing is awaited."""
        return self._deadline

    def send(self, payload: bytes, now_ms: int) -> list[Effect]:
        """Ask (as the tool), or answer the last question (as the board).

        A message still on its way is dropped for it.

        Raises:
            ValueError: *payload* is longer than a message may be.
        """
        parts = split(payload)
        if self.side is Side.TOOL:
            session, message = self._key
            self._key = session, (message + 1) % 65_536
            self._in, self._asked_ms = None, now_ms
        self._out = _Outgoing(self._key, parts, now_ms)
        return [self._transmit(self._out, now_ms)]

    def feed(self, data: bytes, now_ms: int) -> list[Effect]:
        """Take bytes from the line."""
        effects: list[Effect] = []
        for frame in self.decoder.feed(data):
            if frame.sender is self.side:
                continue  # our own words, echoed
            if frame.data is None:
                effects += self._acknowledged(frame, now_ms)
            else:
                effects += self._part(frame, frame.data, now_ms)
        return effects

    def tick(self, now_ms: int) -> list[Effect]:
        """Repeat or give up what is overdue."""
        if self._deadline is None or now_ms < self._deadline:
            return []
        if self._out is not None and self._out.attempts < self.timing.attempts:
            return [self._transmit(self._out, now_ms)]
        since = self._out.since_ms if self._out is not None else self._asked_ms
        self._out, self._deadline, self._asked_ms = None, None, None
        return [GaveUp(now_ms - (now_ms if since is None else since))]

    def _transmit(self, out: _Outgoing, now_ms: int) -> Write:
        out.attempts += 1
        self._deadline = now_ms + self.timing.ack_ms
        return Write(encode(self._frame(out.key, out.at, len(out.parts), out.parts[out.at])))

    def _acknowledged(self, frame: Frame, now_ms: int) -> list[Effect]:
        out = self._out
        if out is None or (frame.key, frame.part) != (out.key, out.at):
            return []  # of a repetition, or of a conversation before
        out.at, out.attempts = out.at + 1, 0
        if out.at < len(out.parts):
            return [self._transmit(out, now_ms)]
        self._out = None
        self._await_answer(now_ms)
        return []

    def _part(self, frame: Frame, data: bytes, now_ms: int) -> list[Effect]:
        incoming = self._incoming(frame)
        if incoming is None or frame.parts != incoming.count or frame.part > len(incoming.parts):
            return []
        if self.side is Side.TOOL:
            self._out = None  # who answers has heard the question, whatever became of the last ack
        ack = Write(encode(self._frame(frame.key, frame.part, frame.parts, None)))
        if frame.part < len(incoming.parts):
            return [ack]
        incoming.parts.append(data)
        if not incoming.is_complete:
            self._await_answer(now_ms)
            return [ack]
        if self.side is Side.TOOL:
            self._deadline, self._asked_ms = None, None
        return [ack, Received(b"".join(incoming.parts))]

    def _incoming(self, frame: Frame) -> _Incoming | None:
        """Return the message that *frame* goes on with or begins; None where it does neither."""
        if self._in is not None and self._in.key == frame.key:
            return self._in
        if frame.part != 0 or (self.side is Side.TOOL and frame.key != self._key):
            return None
        if self.side is Side.BOARD:  # a new question: the answer to the old one is not awaited
            self._key, self._out, self._deadline = frame.key, None, None
        self._in = _Incoming(frame.key, frame.parts)
        return self._in

    def _await_answer(self, now_ms: int) -> None:
        is_tool = self.side is Side.TOOL
        self._deadline = now_ms + self.timing.answer_ms if is_tool else None

    def _frame(self, key: tuple[int, int], part: int, parts: int, data: bytes | None) -> Frame:
        return Frame(
            sender=self.side, session=key[0], message=key[1], part=part, parts=parts, data=data
        )
