"""A chat client on asyncore: the counterpart of examples/tutorial_server.rs.

As in the tutorial, `input` waits outside the loop. The loop runs for as long as a message takes to
go out, and at the end of the input until the server has answered everything and left.
"""

import asyncore
import socket
import sys


class Talker(asyncore.dispatcher):
    def __init__(self, host, port):
        super().__init__()
        self.unsent = bytearray()
        self.create_socket()
        self.connect((host, port))

    def handle_connect(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_read(self):
        reply = self.recv(8192)
        if reply:
            print(reply.decode())

    def writable(self):
        return not self.connected or len(self.unsent) > 0

    def handle_write(self):
        del self.unsent[: self.send(self.unsent)]

    def handle_close(self):
        print("Server has left the building")
        self.close()

    def say(self, text):
        self.unsent += b"python: " + text.encode()
        while self.unsent:
            asyncore.loop(timeout=1, count=1)


host, port = sys.argv[1].rsplit(":", 1)
talker = Talker(host, int(port))
try:
    while True:
        talker.say(input("> "))
except EOFError:
    talker.socket.shutdown(socket.SHUT_WR)
asyncore.loop()
