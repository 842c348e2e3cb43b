"""Ports: chosen free, or a message that names the setting and who has the port."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from sandbox.checks import Claims, Port, choose_port, free_port, free_ports, http_ok, owner_of
from tailrace.errors import SettingError


def listener() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_a_free_port_is_taken_as_wanted() -> None:
    wanted = free_port()
    assert choose_port(Port("gateway_port", wanted, asked_for=True), Claims()) == wanted


def test_five_ports_in_a_row_are_free() -> None:
    first = free_ports(5)
    for number in range(first, first + 5):
        with socket.socket() as one:
            one.bind(("127.0.0.1", number))


def test_free_ports_are_not_of_those_that_connections_are_given() -> None:
    with listener() as server, socket.create_connection(server.getsockname()) as connection:
        given = connection.getsockname()[1]
    assert all(free_port() < given for _ in range(100))


def test_another_port_is_chosen_where_nobody_asked_for_the_taken_one() -> None:
    with listener() as taken:
        assert choose_port(Port("gateway_port", taken.getsockname()[1]), Claims()) != taken.getsockname()[1]


def test_a_taken_port_that_was_asked_for_is_an_error_with_the_setting_and_the_process() -> None:
    with listener() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingError, match=rf"dashboard_port = {port}: the port is taken by process {os.getpid()} \(.*\); end that or choose another dashboard_port"
        ):
            choose_port(Port("dashboard_port", port, asked_for=True), Claims())


def test_a_port_taken_by_udp_alone_is_taken_for_who_needs_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        port = free_port(udp=True)
        taken.bind(("127.0.0.1", port))
        assert choose_port(Port("gateway_port", port), Claims()) == port
        assert choose_port(Port("xray_port", port, udp=True), Claims()) != port
        assert str(os.getpid()) in owner_of(port)


def test_a_check_asks_for_the_path_with_its_query() -> None:
    with listener() as server:
        asked = list[bytes]()

        def answer() -> None:
            connection, _ = server.accept()
            asked.append(connection.recv(4_096).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        assert http_ok(f"http://127.0.0.1:{server.getsockname()[1]}/health?wait=1")()
        thread.join()
    assert asked == [b"GET /health?wait=1 HTTP/1.1"]


def test_nobody_owns_a_free_port() -> None:
    assert owner_of(free_port(udp=True)) == ""


def test_two_that_begin_at_once_do_not_choose_one_port() -> None:
    mine, others, wanted = Claims(), Claims(), free_port()
    assert choose_port(Port("gateway_port", wanted), mine) == wanted
    assert choose_port(Port("gateway_port", wanted), others) != wanted
    with pytest.raises(SettingError, match="taken by another that is about to begin"):
        choose_port(Port("gateway_port", wanted, asked_for=True), others)
    mine.release()
    assert choose_port(Port("gateway_port", wanted, asked_for=True), others) == wanted


def test_a_claim_ends_with_its_process() -> None:
    number = free_port()
    held = f"from sandbox.checks import Claims\nc = Claims()\nprint(c.take({number}), flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not Claims().take(number)
        other.kill()
    assert Claims().take(number)
