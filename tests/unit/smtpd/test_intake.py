"""Ids and headers at intake."""

import os

from postroom.mail.headers import read_headers
from postroom.mail.ids import is_queue_id
from postroom.smtpd.intake import message_id_of, new_id


def test_ids_do_not_repeat_within_a_millisecond() -> None:
    found = {new_id(1_790_000_000.0) for _ in range(5000)}
    assert len(found) == 5000
    assert all(map(is_queue_id, found))


def test_ids_do_not_repeat_in_a_forked_process() -> None:
    new_id(0.0)  # the noise is there before the fork
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id(0.0).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != new_id(0.0)
    os.close(reading)
    os.close(writing)


def test_message_id_is_one_printable_line() -> None:
    block = read_headers(b"Message-ID:\r\n <a\x07b@c>\r\n\t(x)\r\n\r\n")
    assert message_id_of(block) == "<a?b@c> (x)"
    assert message_id_of(read_headers(b"Subject: x\r\n\r\n")) == ""
    assert len(message_id_of(read_headers(b"Message-ID: <" + b"x" * 5000 + b">\r\n\r\n"))) == 250
