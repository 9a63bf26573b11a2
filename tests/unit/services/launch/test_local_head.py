"""Ports for a Ray head of our own."""

import socket

import pytest

from services.launch import local_head


def test_ports_are_free_and_distinct() -> None:
    ports = local_head.free_ports(4)
    assert len(set(ports)) == 4 and all(port in local_head._PORT_RANGE for port in ports)
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(local_head, "_PORT_RANGE", [taken.getsockname()[1]])
        assert local_head.free_ports(1) == []
