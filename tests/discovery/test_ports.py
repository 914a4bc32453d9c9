import socket

import pytest

from router.discovery import ports as ports_module
from router.discovery.ports import Ports


def test_a_port_is_free_and_promised_once():
    ports = Ports()
    taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50
    with socket.create_server(("127.0.0.1", taken[0])):
        pass
    assert repr(ports) == f"<Ports taken={sorted(taken)}>"
    for port in taken:
        ports.give_back(port)
    assert repr(ports) == "<Ports taken=[]>"


def test_a_port_that_is_promised_is_passed_over(monkeypatch):
    offers = iter([5001, 5001, 5002])

    class Socket:
        def bind(self, address):
            self.port = next(offers)

        def getsockname(self):
            return "127.0.0.1", self.port

        def close(self):
            pass

    monkeypatch.setattr(ports_module.socket, "socket", Socket)
    ports = Ports()
    assert (ports.take(), ports.take()) == (5001, 5002)


def test_a_port_comes_back_once():
    ports = Ports()
    ports.give_back(ports.take())
    with pytest.raises(KeyError):
        ports.give_back(1)
