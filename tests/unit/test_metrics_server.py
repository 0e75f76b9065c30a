"""The socket of the metrics: who may share it, and what stops the boot."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from gasgi.errors import SettingError
from gasgi.reporting import metrics
from gasgi.worker import accept_queue
from gasgi.worker.metrics_server import bind_metrics


@pytest.fixture
def first():
    with bind_metrics(f"127.0.0.1:{free_port()}", 0o22, False) as listener:
        yield listener


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def test_a_master_that_an_upgrade_starts_listens_beside_the_old_one(first):
    with bind_metrics(address(first), 0o22, True) as second:
        assert second.getsockname() == first.getsockname()


def test_nobody_else_shares_the_port(first):
    with pytest.raises(SettingError, match=r"gasgi_metrics_bind = '127.0.0.1:\d+': Address already in use"):
        bind_metrics(address(first), 0o22, False)


def test_a_unix_socket_that_was_left_behind_is_replaced_and_a_file_is_not(tmp_path: Path):
    path = tmp_path / "metrics.sock"
    for _ in range(2):
        bind_metrics(f"unix:{path}", 0o177, False).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.write_text("dear")
    with pytest.raises(SettingError, match="Address already in use"):
        bind_metrics(f"unix:{path}", 0o22, False)
    assert path.read_text() == "dear"


def test_metrics_that_cannot_be_had_stop_the_boot(monkeypatch):
    metrics.check_metrics("127.0.0.1:9100")
    monkeypatch.setattr(metrics, "find_spec", lambda name: None)
    metrics.check_metrics("")
    with pytest.raises(SettingError, match=r"pip install 'gasgi\[metrics\]'"):
        metrics.check_metrics("127.0.0.1:9100")


def test_tells_the_queue_of_a_tcp_listener_alone(tmp_path: Path):
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as other, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen(7)
        other.bind(str(tmp_path / "s"))
        other.listen()
        client.connect(listener.getsockname())
        found = accept_queue.accept_queues([listener, other])
        assert found == ([(address(listener), 1, 7)] if hasattr(socket, "TCP_INFO") else [])
