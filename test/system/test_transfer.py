"""Files over HTTP: upload and download."""

import hashlib
import os
import threading

from carrel import PROTOCOL
from school import CLASS


def test_bytes_come_back_as_they_went(ada):
    for size in (0, 1, 65536, 3_000_001):
        body = os.urandom(size)
        path = f"{ada.folder}/data {size}.bin"
        assert ada.upload(path, body).status == 201
        answer = ada.download(path)
        assert answer.status == 200 and hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_upload_overwrites_only_when_told(ada):
    path = f"{ada.folder}/a.csv"
    assert ada.upload(path, b"one").status == 201
    assert ada.upload(path, b"two").status == 409
    assert ada.download(path).body == b"one"
    assert ada.upload(path, b"three", overwrite=True).status in (200, 201, 204)
    assert ada.download(path).body == b"three"


def test_upload_over_the_limit(ada):
    """A film is too long; the answer comes without the server having taken it all, and no half file stays."""
    path = f"{ada.folder}/film.mp4"
    length = PROTOCOL.limits["upload"] + 1
    answer = ada.session.http(
        "PUT", f"/c/{CLASS}/files/{path}", b"x" * 1000, {"Content-Length": str(length), "Connection": "close"}
    )
    assert answer.status == 413
    assert ada.request("tree.list", path=ada.folder)["entries"] == []


def test_an_upload_that_breaks_off_leaves_nothing(ada, school):
    """The network fails in the middle of an upload."""
    import socket

    host, port = school.address.split(":")
    path = f"/c/{CLASS}/files/{ada.folder}/half.bin"
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: {school.address}\r\nOrigin: http://{school.address}\r\n"
        f"Cookie: carrel_session={ada.session.cookie}\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(head.encode() + b"x" * 5000)
    assert ada.upload(f"{ada.folder}/after.bin", b"whole").status == 201
    assert [e["name"] for e in ada.request("tree.list", path=ada.folder)["entries"]] == ["after.bin"]


def test_addresses_that_lead_nowhere(ada, school):
    session = ada.session
    for path in (
        "Local/ada/nothing.py",
        "Local/ada/..%2f..%2f..%2fetc%2fpasswd",
        "Local/ada/%2e%2e/ben/x",
        "Local/ada/%00",
        "Local/ada/%ff%fe",
        "%2fetc%2fpasswd",
        "..%2fstore%2fcarrel.db",
        "Local/ada",
        "",
    ):
        answer = session.http("GET", f"/c/{CLASS}/files/{path}")
        assert answer.status in (400, 403, 404, 409), (path, answer.status)
        assert b"root:" not in answer.body
    assert session.http("GET", "/c/no-such-class/files/Local/ada/x").status in (403, 404)
    assert session.http("GET", "/no/such/page").status == 404


def test_a_file_is_whole_while_it_is_replaced(ada):
    """One downloads while another uploads: each download is one of the two, never a mixture."""
    path = f"{ada.folder}/shared.bin"
    versions = [bytes([digit]) * 500_000 for digit in b"ab"]
    ada.upload(path, versions[0])
    stop = threading.Event()

    def upload_again_and_again():
        turn = 0
        while not stop.is_set():
            turn += 1
            ada.upload(path, versions[turn % 2], overwrite=True)

    writer = threading.Thread(target=upload_again_and_again)
    writer.start()
    try:
        for _ in range(40):
            assert ada.download(path).body in versions
    finally:
        stop.set()
        writer.join()


def test_without_a_session(school):
    from carrel import Session

    stranger = Session(school.address)
    assert stranger.http("GET", f"/c/{CLASS}/files/Local/ada/x").status == 401
    assert stranger.http("PUT", f"/c/{CLASS}/files/Local/ada/x", b"x").status == 401


def peak(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024


def test_a_hundred_megabytes_up_and_down(ada, school):
    """No process of the server grows with the file: not the web server, not the worker; nor with a zip of it."""
    path = f"{ada.folder}/big/film.bin"
    ada.request("folder.create", path=f"{ada.folder}/big")
    processes = school.processes("web") + school.processes("worker")
    before = {pid: peak(pid) for pid in processes}
    body = os.urandom(1 << 20) * (PROTOCOL.limits["upload"] >> 20)
    assert ada.upload(path, body).status == 201
    assert ada.download(path).body == body
    zipped = ada.session.http("GET", f"/c/{CLASS}/files/{ada.folder}/big?zip=1")
    assert zipped.status == 200 and len(zipped.body) > 0
    for pid in processes:
        assert peak(pid) - before[pid] < 40 << 20, (pid, peak(pid) - before[pid])
