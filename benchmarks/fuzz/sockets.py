"""Raw bytes for a socket: no request at all, or one that never ends. Seeded."""

import asyncio
import ssl
from dataclasses import dataclass

from benchmarks.fuzz.pictures import Draw

_GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    tls: ssl.SSLContext | None = None


def garbage(draw: Draw, token: str | None) -> bytes:
    """Bytes for an HTTP port: noise, half requests, contradicting lengths, floods."""
    head = b"POST /v1/score HTTP/1.1\r\nhost: x\r\n" + (f"authorization: Bearer {token}\r\n".encode() if token else b"")
    match int(draw.integers(10)):
        case 0:
            return draw.bytes(int(draw.integers(1, 5000)))
        case 1:
            return head + b"content-length: -5\r\n\r\n"
        case 2:
            return head + b"content-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        case 3:
            return head + b"transfer-encoding: chunked\r\n\r\n" + draw.bytes(200)
        case 4:
            return head + b"".join(b"x-%d: %d\r\n" % (k, k) for k in range(5000)) + b"\r\n"
        case 5:
            return b"GET /" + b"a" * int(draw.integers(10_000, 200_000)) + b" HTTP/1.1\r\n\r\n"
        case 6:
            return head + b"content-length: 99999999999999999999\r\n\r\n" + draw.bytes(100)
        case 7:
            return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + draw.bytes(300)
        case 8:
            verb = bytes(draw.choice([b"DELETE", b"PUT", b"TRACE", b"OPTIONS", b"CONNECT", b"\x00\x01"]))
            return verb + b" /v1/../v1/%00score HTTP/1.1\r\nhost: x\r\n\r\n"
        case _:
            return head + b"content-length: 50\r\nexpect: 100-continue\r\nupgrade: websocket\r\n\r\n" + draw.bytes(50)


async def send_garbage(address: Address, data: bytes) -> str:
    """The status that came back, `closed` if none did, or `open` if the server said nothing for long."""
    try:
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
    except OSError:
        return "no connection"
    try:
        writer.write(data)
        await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(_GIVE_UP_S):
            return _status(await reader.read(64))
    except TimeoutError:
        return "open"
    except OSError:
        return "closed"
    finally:
        writer.close()


async def send_slowly(address: Address, token: str | None, in_headers: bool, patience_s: float) -> str:
    """A request that comes a byte at a time; the status, `closed`, or `open` if it was suffered for `patience_s`."""
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"POST /v1/score HTTP/1.1\r\nhost: x\r\n{bearer}content-length: 5000\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
    try:
        if not in_headers:
            writer.write(head)
        drip = asyncio.create_task(_drip(writer, head if in_headers else b" " * 5000))
        try:
            async with asyncio.timeout(patience_s):
                return _status(await reader.read(64))
        finally:
            drip.cancel()
            await asyncio.gather(drip, return_exceptions=True)
    except TimeoutError:
        return "open"
    except OSError:
        return "closed"
    finally:
        writer.close()


async def _drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


def _status(answer: bytes) -> str:
    words = answer.split(b" ", 2)
    return words[1].decode("latin-1") if len(words) > 1 and words[0].startswith(b"HTTP/") else "closed"
