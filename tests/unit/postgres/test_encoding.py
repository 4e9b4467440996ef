"""A dump on its way into a store and back is the same, or nobody sees it."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from unioneyes.adapters.postgres.encoding import (
    BadKey,
    CountedSink,
    CountedSource,
    NotDecoded,
    Tally,
    decode,
    encode,
    fingerprint,
    fingerprints_of,
    require_recipient,
)
from unioneyes.ports.backup_store import StoreFull

KEY, OTHER = (pyrage.x25519.Identity.generate() for _ in range(2))
PUBLIC = str(KEY.to_public())
IDENTITY = SecretStr(f"# created: 2026-02-09\n# public key: {PUBLIC}\n{KEY}\n")
DUMP = b"PGDMP" + bytes(range(256)) * 4000
CASES = pytest.mark.parametrize(("recipients", "identity"), [((), None), ((PUBLIC,), IDENTITY), ((str(OTHER.to_public()), PUBLIC), IDENTITY)])


def encoded(dump: bytes, recipients: tuple[str, ...] = ()) -> tuple[bytes, Tally, Tally]:
    taken, given = Tally(), Tally()
    encode(CountedSource(BytesIO(dump), taken), CountedSink(sink := BytesIO(), given), tallies=(taken, given), recipients=recipients)
    return sink.getvalue(), taken, given


def decoded(kept: bytes, identity: SecretStr | None = None) -> tuple[bytes, Tally]:
    taken, given = Tally(), Tally()
    decode(CountedSource(BytesIO(kept), taken), CountedSink(sink := BytesIO(), given), tallies=(taken, given), compressed=True, identity=identity)
    return sink.getvalue(), taken


@CASES
@given(dump=st.binary(max_size=5000))
def test_what_comes_back_is_what_went_in_and_both_sides_know_its_sum(dump: bytes, recipients: tuple[str, ...], identity: SecretStr | None) -> None:
    kept, taken, given = encoded(dump, recipients)
    assert (taken.bytes, given.bytes) == (len(dump), len(kept))
    assert given.sha256 == hashlib.sha256(kept).hexdigest()
    back, read = decoded(kept, identity)
    assert back == dump
    assert (read.bytes, read.sha256) == (given.bytes, given.sha256)


def test_what_is_kept_is_compressed_and_what_is_encrypted_shows_nothing() -> None:
    plain, sealed = encoded(DUMP)[0], encoded(DUMP, (PUBLIC,))[0]
    assert len(plain) < len(DUMP) / 100
    assert sealed.startswith(b"age-encryption.org/v1\n")
    assert b"PGDMP" in plain
    assert b"PGDMP" not in sealed


@CASES
@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_what_was_cut_off_or_changed_is_not_taken_for_whole(recipients: tuple[str, ...], identity: SecretStr | None, harm: str) -> None:
    kept, _, given = encoded(DUMP, recipients)
    middle = len(kept) // 2
    harmed = kept[:middle] if harm == "cut" else kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :]
    try:
        _, read = decoded(harmed, identity)
    except NotDecoded:
        return
    assert read.sha256 != given.sha256, "whoever reads it holds the sum to the manifest's"


def test_another_s_key_opens_nothing() -> None:
    with pytest.raises(NotDecoded):
        decoded(encoded(DUMP, (PUBLIC,))[0], SecretStr(str(OTHER)))


@pytest.mark.parametrize("recipients", [(), (PUBLIC,)])
def test_what_an_end_raises_comes_out_as_it_was(recipients: tuple[str, ...]) -> None:
    class Full:
        def write(self, content: bytes, /) -> int:
            raise StoreFull(what=f"no room for {len(content)}", remedy="make room")

    class Stopped(BaseException):
        pass

    class Ended:
        def read(self, size: int = -1, /) -> bytes:
            raise Stopped(size)

    taken, given = Tally(), Tally()
    with pytest.raises(StoreFull):
        encode(CountedSource(BytesIO(DUMP), taken), CountedSink(Full(), given), tallies=(taken, given), recipients=recipients)
    taken, given = Tally(), Tally()
    with pytest.raises(Stopped):
        encode(CountedSource(Ended(), taken), CountedSink(BytesIO(), given), tallies=(taken, given), recipients=recipients)


def test_a_key_is_known_by_its_recipient_s_fingerprint() -> None:
    assert fingerprints_of(IDENTITY) == (fingerprint(PUBLIC),)
    assert fingerprint(PUBLIC) != fingerprint(str(OTHER.to_public()))


def test_a_bad_key_is_refused_and_not_repeated() -> None:
    assert require_recipient(PUBLIC) == PUBLIC
    with pytest.raises(BadKey):
        require_recipient(PUBLIC[:-1] + ("q" if PUBLIC[-1] != "q" else "p"))
    broken = str(KEY)[:-1]
    for identity in (broken, "", "no key"):
        with pytest.raises(BadKey) as caught:
            fingerprints_of(SecretStr(identity))
        assert str(KEY)[20:40] not in str(caught.value)
