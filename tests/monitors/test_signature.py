"""What is taken for signed, by the vector of the standard's package and against the package itself."""

import base64
import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.monitors.signature import MOST_SKEW_S, NotSigned, Verifier
from tests.monitors.signing import OTHER_SECRET, SECRET, legacy, signature, signed

NOW = 1_767_225_600
VECTOR_ID = "whevent_test_0001"
VECTOR_BODY = (
    b'{"type":"monitor.event.detected","timestamp":"2026-01-01T00:00:00Z","data":{"monitor_id":"monitor_test",'
    b'"event":{"event_group_id":"mevtgrp_test"},"metadata":{"username":"alice"}}}'
)
CURRENT = "v1,JXn+xNGeL5AohGbWMlApmHXtqO5P8gzHL2UxVgm8B3Y="
LEGACY = "v1,SPKlDRAKtzrw5ztEuh17n9l5ycnUzz0X4ANtUn5ErRY="

WEBHOOK_IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=200)
BODIES = st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
KEYS = st.binary(min_size=24, max_size=64)


def verifier(*secrets: str, now: float = NOW) -> Verifier:
    return Verifier(secrets or (SECRET,), lambda: now)


def headers(signatures: str, timestamp: str = str(NOW), webhook_id: str = VECTOR_ID) -> dict[str, str]:
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def as_sent(values: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("latin-1") for name, value in values.items()}


def is_signed(by: Verifier, values: Mapping[str, str], body: bytes = VECTOR_BODY) -> bool:
    try:
        by.verify(as_sent(values), body)
    except NotSigned:
        return False
    return True


@pytest.mark.parametrize("value", [CURRENT, LEGACY])
def test_the_vector_is_signed_by_both_derivations_of_the_key(value: str) -> None:
    assert verifier().verify(as_sent(headers(value)), VECTOR_BODY) == VECTOR_ID


def test_the_package_gives_the_vector() -> None:
    assert signature(SECRET, VECTOR_ID, NOW, VECTOR_BODY) == CURRENT
    assert signature(legacy(SECRET), VECTOR_ID, NOW, VECTOR_BODY) == LEGACY


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
@pytest.mark.parametrize("secrets", [(SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)])
def test_during_a_rotation_of_ours_both_secrets_sign(secret: str, secrets: tuple[str, str]) -> None:
    values = signed(VECTOR_BODY, NOW, secret=secret)

    assert is_signed(verifier(*secrets), values)
    assert is_signed(verifier(secret), values)
    assert not is_signed(verifier(*set(secrets) - {secret}), values)


def test_during_a_rotation_of_theirs_any_signature_that_is_listed_counts() -> None:
    wrong = signature(OTHER_SECRET, VECTOR_ID, NOW, VECTOR_BODY)

    assert is_signed(verifier(), headers(f"{wrong} v1a,bm9uZQ== {CURRENT}"))
    assert is_signed(verifier(), headers(f"{CURRENT} {wrong}"))
    assert not is_signed(verifier(), headers(f"{wrong} {wrong}"))


@pytest.mark.parametrize("skew_s", [-MOST_SKEW_S, -1, 0, 299.5, MOST_SKEW_S])
def test_time_within_five_minutes_is_now(skew_s: float) -> None:
    assert is_signed(verifier(now=NOW + skew_s), headers(CURRENT))


@pytest.mark.parametrize("skew_s", [-MOST_SKEW_S - 1, MOST_SKEW_S + 1, 86_400, -86_400, NOW])
def test_time_beyond_five_minutes_is_refused(skew_s: float) -> None:
    with pytest.raises(NotSigned, match="time"):
        verifier(now=NOW + skew_s).verify(as_sent(headers(CURRENT)), VECTOR_BODY)


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "1e9",
        "-1767225600",
        "+1767225600",
        "1767225600.0",
        " 1767225600",
        "1_767_225_600",
        "9" * 4301,
        "²",
        "\x00",
        "١٧٦٧٢٢٥٦٠٠".encode().decode("latin-1"),
    ],
)
def test_timestamp_that_is_no_plain_number_is_refused(timestamp: str) -> None:
    assert not is_signed(verifier(), headers(CURRENT, timestamp))


@pytest.mark.parametrize("webhook_id", ["", "a b", "é", "\x00", "x" * 201, "x" * 1_000_000])
def test_id_that_is_none_is_refused_even_if_it_is_signed(webhook_id: str) -> None:
    values = headers(signature(SECRET, webhook_id, NOW, VECTOR_BODY), webhook_id=webhook_id)

    assert not is_signed(verifier(), values)


@pytest.mark.parametrize(
    "signatures",
    [
        "",
        "v1,",
        "v1",
        CURRENT.removeprefix("v1,"),
        CURRENT.rstrip("="),
        CURRENT.lower(),
        CURRENT.replace("v1,", "v2,"),
        CURRENT.replace("v1,", "v1a,"),
        f"{CURRENT},{CURRENT}",
        f"{CURRENT}\n",
        "v1,é",
        "v1,\xff\x00",
        f"{CURRENT} " * 1000,
        "v1," + "A" * 1_000_000,
    ],
)
def test_signature_that_is_none_is_refused(signatures: str) -> None:
    assert not is_signed(verifier(), headers(signatures))


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_header_that_is_missing_is_named(missing: str) -> None:
    values = headers(CURRENT)
    del values[missing]

    with pytest.raises(NotSigned, match=missing):
        verifier().verify(as_sent(values), VECTOR_BODY)


def test_any_other_byte_is_not_signed() -> None:
    assert not is_signed(verifier(), headers(CURRENT), VECTOR_BODY + b" ")
    assert not is_signed(verifier(), headers(CURRENT), VECTOR_BODY.replace(b"alice", b"alicf"))
    assert not is_signed(verifier(), headers(CURRENT, str(NOW + 1)))
    assert not is_signed(verifier(), headers(CURRENT, webhook_id="whevent_test_0002"))


@pytest.mark.parametrize("secret", ["whsec_", "not base64!", "whsec_not base64!", "sécret", "abc", "A" * 5])
def test_secret_of_any_form_signs_as_it_is_written_and_no_empty_key_does(secret: str) -> None:
    by = verifier(secret)

    assert is_signed(by, signed(VECTOR_BODY, NOW, secret=legacy(secret)))
    assert b"" not in by._keys


def test_refusal_and_verifier_show_no_secret() -> None:
    by = verifier()

    with pytest.raises(NotSigned) as refusal:
        by.verify(as_sent(headers("v1,AAAA")), VECTOR_BODY)

    assert SECRET.removeprefix("whsec_") not in f"{refusal.value}{by!r}"


@given(KEYS, WEBHOOK_IDS, BODIES, st.booleans())
def test_what_the_package_signs_is_signed(key: bytes, webhook_id: str, body: bytes, is_legacy: bool) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    values = signed(body, NOW, webhook_id=webhook_id, secret=legacy(secret) if is_legacy else secret)

    assert verifier(secret).verify(as_sent(values), body) == webhook_id
    assert not is_signed(verifier(OTHER_SECRET), values, body)
    assert not is_signed(verifier(secret), values, body + b"x")


@given(KEYS, WEBHOOK_IDS, st.text(), st.sampled_from(["", "id", "signature", "body"]), st.integers(-700, 700))
def test_what_the_package_refuses_is_refused_and_what_it_takes_is_taken(
    key: bytes, webhook_id: str, text: str, changed: str, skew_s: int
) -> None:
    now = int(time.time())  # the package's own clock
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(text).encode()
    values = signed(body, now - skew_s, webhook_id=webhook_id, secret=secret)
    if changed == "id":
        values["webhook-id"] = webhook_id[1:] or "x"
    if changed == "signature":
        values["webhook-signature"] = signature(OTHER_SECRET, webhook_id, now - skew_s, body)
    sent = body + b" " if changed == "body" else body

    try:
        Webhook(secret).verify(sent, values)
        is_taken = True
    except WebhookVerificationError:
        is_taken = False

    is_edge = abs(abs(skew_s) - MOST_SKEW_S) <= 1  # the second may have passed in between
    assert is_edge or is_signed(verifier(secret, now=now), values, sent) == is_taken


@given(
    st.dictionaries(st.sampled_from([b"webhook-id", b"webhook-timestamp", b"webhook-signature"]), st.binary()),
    st.binary(),
)
def test_nothing_that_is_made_up_is_signed_and_nothing_else_is_raised(values: dict[bytes, bytes], body: bytes) -> None:
    with pytest.raises(NotSigned):
        verifier().verify(values, body)
