"""Replaces `aws:SecureTransport` in `ministack`: on loopback, every request counts as secure.

**Stock** evaluates policies correctly: a request over plain http has `aws:SecureTransport` false. So the statement
that every bucket policy should have, which denies access without TLS, denies all access here.

**Here** the template keeps that statement and the emulator keeps plain http: `aws:SecureTransport` is
always true.

**Needed** as long as the emulator speaks http; unless ministack offers a setting.
"""

from ministack import app


def install() -> None:
    stock_pin_request_origin = app.pin_request_origin

    def pin_request_origin(source_ip: str, _secure_transport: bool) -> None:
        stock_pin_request_origin(source_ip, True)

    app.pin_request_origin = pin_request_origin
