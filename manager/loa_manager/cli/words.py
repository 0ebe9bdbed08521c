"""Errors in words for people: what happened, where, and what helps.

The one place where an error of the library becomes a sentence in the language in force. Faults that
a ``ConfigError`` lists are sentences already.
"""

from __future__ import annotations

import re

from loa_protocol.bench import Fault
from loa_protocol.errors import (
    ConfigError,
    FetchError,
    FormatError,
    LoaError,
    RefusedError,
    SilentError,
    StoreError,
    VersionError,
)
from loa_protocol.language import translator
from loa_protocol.trust import Refusal, TrustError
from loa_sound.errors import SoundError

_ = translator("loa_manager")

SYSTEM = (  # what the operating system says of files, so that the catalogue holds it
    _("No such file or directory"),
    _("Permission denied"),
    _("Is a directory"),
    _("Not a directory"),
    _("No space left on device"),
    _("Read-only file system"),
)


def absent() -> tuple[str, ...]:
    """Return what the system says, in the reader's language, of a server that does not answer."""
    return (
        _("Connection refused"),
        _("Connection timed out"),
        _("timed out"),
        _("No route to host"),
        _("Network is unreachable"),
        _("Name or service not known"),
        _("Temporary failure in name resolution"),
        _("No address associated with hostname"),
    )


def words(error: LoaError) -> str:
    """Return what a person reads about *error*."""
    match error:
        case ConfigError():
            text = str(error)
        case TrustError(reason=reason, detail=detail):
            text = f"{_trust(reason)} ({detail})"
        case RefusedError(peer=peer, code=code):
            text = _("{peer} refused: {why}").format(peer=peer, why=_refusal(code))
        case SilentError(port=port, after_s=after_s):
            text = _(
                "{port}: no answer after {seconds} s. Is the board on, is this its port,"
                " and does the board wait (loa-endpoint bench)?"
            )
            text = text.format(port=port, seconds=f"{after_s:.0f}")
        case FetchError(url=url, status=status, why=why):
            text = f"{url}: {_unreached(why) if why else _('status {n}').format(n=status)}"
        case StoreError(where=where, why=why):
            text = f"{where}: {_(why)}"
        case SoundError():
            text = _sound(error)
        case VersionError():
            text = _("of a version that this program does not know: {detail}").format(detail=error)
        case FormatError():
            text = _("not of the expected form: {detail}").format(detail=error)
        case _:
            text = str(error)
    return text


def _unreached(why: str) -> str:
    """Return why nobody answered, and what to look at."""
    plain = _(re.sub(r"^\[Errno -?\d+\] ", "", why))  # some libraries put the number before it
    hint = _("is loa serve running there, and is this its address?")
    return f"{plain}; {hint}" if plain in absent() else plain


def _sound(error: SoundError) -> str:
    text = {
        "unreadable": _("cannot be read"),
        "not_audio": _("not a sound that Loa can play; give an MP3, Opus, WAV or FLAC file"),
        "damaged": _("the sound is damaged; export it again"),
        "truncated": _("the end of the sound is missing; copy the file again"),
        "length": _("it says one length and holds another; export it again"),
        "too_large": _("too large or too long; cut it"),
    }[error.reason]
    return f"{error.path}: {text} ({error.detail})" if error.detail else f"{error.path}: {text}"


def _refusal(code: str) -> str:
    texts = {
        Fault.FORMAT: _("it does not understand what it was sent; is its software older?"),
        Fault.VERSION: _("its software speaks another version"),
        Fault.ROOT_PRESENT: _(
            "it belongs to another province; that province's consent (--transfer) or the recovery"
            " button is needed"
        ),
        Fault.NO_KEY: _("it has no key yet; run the same command again"),
        Fault.NO_ROOT: _("it has no trust root yet; run the same command again"),
        Fault.NO_SETTINGS: _("it has no settings yet; run the same command again"),
        Fault.AUTHORITY: _("its settings do not name our device CA; sign new settings"),
        Fault.CERTIFICATE: _("the certificate is not for its key; run the same command again"),
        Fault.INCOMPLETE: _("something is still missing; run the same command again"),
        Fault.STORE: _("its disk did not keep what it was given; try another card"),
    }
    if code in texts:
        return texts[Fault(code)]
    service = _service(code)
    if service is not None:
        return f"{service} [{code}]"
    return f"{_trust(Refusal(code))} [{code}]" if code in set(Refusal) else code


def _service(code: str) -> str | None:
    """Return what a reason of the server's HTTPS routes means for the person who asked."""
    return {
        "clock": _("this machine's clock and the server's differ by more than five minutes"),
        "host": _("the server is not called by that name"),
        "no_signature": _("it wants to know who is asking"),
        "full": _("the mailbox is full: too many drafts wait; approve or reject some"),
        "not_here": _("it has no such draft"),
        "offset": _("somebody else is sending the same file; run the same command again"),
        "too_many": _("too many requests; wait ten minutes"),
        "unavailable": _("its own rules are damaged or out of date; look at its log"),
        "store": _("its disk or database is not writable; look at its log"),
        "draft": _("the draft is not whole yet: seal it and submit it with its media"),
        "needs_order": _("two priorities meet in it, and the commune has not decided"),
        "rejected": _("it was rejected; change it, and submit the new draft"),
        "published": _("it is published already"),
        "outdated": _("it is over, or something newer is published"),
        "sender": _("only who signed it may bring it"),
        "media_missing": _(
            "it lacks the sound, and so does this machine: get the folder media of whoever made the"
            " order, put it beside the order file, and run: loa order publish FILE"
        ),
        "limit": _("it is beyond the policy's limits"),
    }.get(code)


def _trust(reason: Refusal) -> str:
    return {
        Refusal.KIND: _("not a kind of object that belongs here"),
        Refusal.VERSION: _("of a form that is no longer or not yet accepted"),
        Refusal.CHAIN: _("a certificate does not lead to the province's root"),
        Refusal.UNKNOWN_SIGNER: _("signed by a key that nobody certified"),
        Refusal.SIGNATURE: _("a signature does not fit"),
        Refusal.ROLE: _("a signer does not have the role for it"),
        Refusal.THRESHOLD: _("too few different people have signed"),
        Refusal.LEVEL: _("not ordered from as high as it needs"),
        Refusal.SCOPE: _("a signer does not speak for that place"),
        Refusal.NOT_ADDRESSED: _("meant for another board or place"),
        Refusal.DENIED: _("on the deny list"),
        Refusal.EPOCH: _("its epoch is above its signer's"),
        Refusal.ROLLBACK: _("older than what is in force"),
        Refusal.EQUIVOCATION: _("another object has the same number"),
        Refusal.REPLAYED: _("happened already"),
        Refusal.NONCE: _("not the answer to our question"),
        Refusal.NOT_YET: _("not valid yet"),
        Refusal.EXPIRED: _("no longer valid"),
        Refusal.MEDIA_HASH: _("the media file is not the one that was signed"),
    }[reason]
