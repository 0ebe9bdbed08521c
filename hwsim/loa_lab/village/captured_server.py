"""``loa serve`` on a machine that the attacker owns: they have read the word from its memory.

    python -m loa_lab.village.captured_server serve --home DIR ...

By that word the broker knows the server's own client, so the attacker can speak as the broker does.
Everything else is the server as it is.
"""

from __future__ import annotations

from typing import Final

from loa_manager.cli.main import main
from loa_manager.serve.callout import CalloutKeys
from loa_manager.serve.nats_token import KeyType, NatsKey

WORD: Final = "read by the attacker from the memory of the server"


def _known(cls: type[CalloutKeys], issuer: NatsKey) -> CalloutKeys:
    return cls(issuer, NatsKey.generate(KeyType.USER), WORD)


if __name__ == "__main__":
    CalloutKeys.of = classmethod(_known)  # type: ignore[assignment,method-assign]  # what was read
    main()
