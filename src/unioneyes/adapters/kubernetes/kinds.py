"""Kinds of objects, made ready for threads: msgspec learns a type when it first reads one, and two threads at once crash the process."""

from __future__ import annotations

from threading import Lock

from lightkube.core.decoders import decode_list, decode_status
from lightkube.core.resource import GlobalResource, NamespacedResource

_NOTHING = b'{"items": [], "metadata": {}}'
_learning = Lock()
_learned: set[type] = set()


def learn(kind: type[NamespacedResource | GlobalResource]) -> None:
    """Objects of the kind, lists of them, and refusals can be read by any thread; one at a time learns something new."""
    if kind in _learned:
        return
    with _learning:
        if not _learned:
            decode_status(b"{}")
        if kind not in _learned:
            decode_list(_NOTHING, kind)
            _learned.add(kind)
