import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.processes.spec import Exec, ProcessSpec, ProcessState, ProcessStatus, TcpHttp, TcpOpen, UnixHttp, describe_exit
from unioneyes.adapters.processes.wire import decode_spec, decode_status, encode_spec, encode_status

WORD = st.text("abcxyz-0123456789", min_size=1, max_size=8)
PATHS = WORD.map(lambda name: Path("/stack") / name)
PORTS = st.integers(1, 65535)
READINESS = (
    st.none()
    | st.builds(UnixHttp, PATHS, WORD)
    | st.builds(TcpHttp, WORD, PORTS, WORD, st.booleans())
    | st.builds(TcpOpen, WORD, PORTS)
    | st.builds(Exec, st.tuples(WORD, WORD))
)
SPECS = st.builds(
    ProcessSpec,
    name=WORD,
    argv=st.lists(WORD, min_size=1).map(tuple),
    log=PATHS,
    env=st.dictionaries(WORD, WORD),
    cwd=PATHS,
    sockets=st.lists(PATHS).map(tuple),
    ready=READINESS,
    stop_signal=st.sampled_from([signal.SIGTERM, signal.SIGINT]),
    grace=st.integers(0, 60000).map(lambda count: timedelta(milliseconds=count)),
    restart=st.booleans(),
    after=st.lists(WORD).map(tuple),
    labels=st.dictionaries(WORD, WORD),
    memory=st.none() | st.integers(1, 1 << 40),
    log_bytes=st.integers(1, 1 << 30),
)


@given(SPECS)
def test_a_specification_survives_the_wire(spec: ProcessSpec) -> None:
    assert decode_spec(json.loads(json.dumps(encode_spec(spec)))) == spec


@given(st.sampled_from(ProcessState), st.none() | st.integers(1, 99999), st.none() | st.integers(-15, 255))
def test_a_status_survives_the_wire(state: ProcessState, pid: int | None, last_exit: int | None) -> None:
    status = ProcessStatus(
        name="blue-1",
        state=state,
        pid=pid,
        restarts=2,
        since=datetime(2026, 2, 9, 14, 30, tzinfo=UTC),
        last_exit=last_exit,
        log=Path("/stack/blue-1.log"),
        labels={"colour": "blue"},
    )
    assert decode_status(json.loads(json.dumps(encode_status(status)))) == status


def test_an_exit_is_told_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-signal.SIGSEGV) == "killed by SIGSEGV"
