"""Every recorded answer of every provider, for clients of every dialect: they read what the provider said."""

from dataclasses import replace

import pytest

from app.core.errors import UpstreamError
from app.core.events import fold, merge
from tests.contract.crossing import (
    CLIENT_DIALECTS,
    Facts,
    chat_recordings,
    cross,
    dialect_of,
    failure_in,
    folded,
    one_by_one,
    read_back,
    read_recorded,
)
from tests.contract.losses import as_said_in
from tests.contract.table import PAGE, page
from tests.recordings import FOLDER, Recording

ANSWERS = [
    pytest.param(recording, id=str(recording))
    for recording in chat_recordings()
    if failure_in(read_recorded(recording)) is None
] or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER}"))]
STREAMS = [
    pytest.param(recording, id=str(recording))
    for recording in chat_recordings()
    if recording.streamed and failure_in(read_recorded(recording)) is None
] or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER}"))]
FAILURES = [
    pytest.param(recording, id=str(recording))
    for recording in chat_recordings()
    if failure_in(read_recorded(recording)) is not None
] or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recordings in {FOLDER}"))]


def expected(recording: Recording, client: str) -> Facts:
    facts = folded(read_recorded(recording))
    return facts if dialect_of(recording) == client else as_said_in(client, facts)


@pytest.mark.parametrize("recording", ANSWERS)
def test_client_reads_what_the_provider_said(recording: Recording) -> None:
    want = {client: expected(recording, client) for client in CLIENT_DIALECTS}

    assert {client: read_by(client, recording, want[client]) for client in CLIENT_DIALECTS} == want


def read_by(client: str, recording: Recording, want: Facts) -> Facts:
    got = folded(read_back(client, cross(recording, client), streamed=recording.streamed))
    # Where the provider reported nothing, the gateway estimates.
    return got if want.prompt_tokens else replace(got, prompt_tokens=0, completion_tokens=0)


@pytest.mark.parametrize("recording", STREAMS)
def test_pieces_of_a_stream_make_no_difference(recording: Recording) -> None:
    pieces = recording.reads or list(one_by_one(recording.body))
    for client in CLIENT_DIALECTS:
        whole = read_back(client, cross(recording, client), streamed=True)
        cut = read_back(client, cross(recording, client, pieces), streamed=True)

        # Ids that the gateway makes differ.
        assert [type(event) for event in merge(cut)] == [type(event) for event in merge(whole)], client
        assert (fold(cut).text, fold(cut).reasoning) == (fold(whole).text, fold(whole).reasoning), client


@pytest.mark.parametrize("recording", FAILURES)
def test_error_in_a_stream_keeps_the_providers_words(recording: Recording) -> None:
    failure = failure_in(read_recorded(recording))
    assert failure is not None

    told = {client: told_to(client, recording) for client in CLIENT_DIALECTS}
    assert [client for client, words in told.items() if failure.message not in words] == []


def told_to(client: str, recording: Recording) -> str:
    """The words of the error, whether it came before anything else and has a status, or in the midst of the stream."""
    try:
        failure = failure_in(read_back(client, cross(recording, client), streamed=True))
    except UpstreamError as error:
        return error.message
    return failure.message if failure else ""


@pytest.mark.skipif(not chat_recordings(), reason=f"no recordings in {FOLDER}")
def test_page_on_compatibility_tells_how_it_is() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.contract.table"
