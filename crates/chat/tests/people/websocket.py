"""A chat client on the package `websockets`: a line of the input is a message, and a message that
comes is a line of the output.

Arguments: the URL, the subprotocol, and the SHA-256 fingerprint of the certificate, for wss.
"""

import asyncio
import hashlib
import ssl
import sys

import websockets


async def speak(socket, binary):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        line = line.rstrip("\n")
        await socket.send(line.encode() if binary else line)
    await socket.close()


async def listen(socket, binary):
    async for message in socket:
        assert isinstance(message, bytes if binary else str), repr(message)
        line = message.decode() if binary else message
        assert line and not line.endswith("\n"), repr(line)
        print(line)
        if line.startswith("PING "):
            answer = "PONG " + line.removeprefix("PING ")
            await socket.send(answer.encode() if binary else answer)


async def main(url, subprotocol, fingerprint=None):
    context = None
    if fingerprint:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    async with websockets.connect(url, subprotocols=[subprotocol], ssl=context) as socket:
        assert socket.subprotocol == subprotocol, socket.subprotocol
        if fingerprint:
            peer = socket.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert hashlib.sha256(peer).hexdigest() == fingerprint
        binary = subprotocol.startswith("binary")
        await asyncio.gather(speak(socket, binary), listen(socket, binary))


asyncio.run(main(*sys.argv[1:]))
