"""A one-sided chat server on asyncore: the counterpart of examples/tutorial_client.rs.

It says on which port it listens, since the tests let the system choose one.
"""

import asyncore
import sys


class Receipts(asyncore.dispatcher):
    """Owes one peer a receipt for each of its messages."""

    def __init__(self, sock):
        super().__init__(sock)
        self.owed = bytearray()

    def handle_read(self):
        message = self.recv(8192)
        if message:
            print(f"[client] : {message!r}")
            self.owed += b"Message received"
            self.handle_write()  # the end of the stream may be next, and with it the close

    def writable(self):
        return len(self.owed) > 0

    def handle_write(self):
        del self.owed[: self.send(self.owed)]

    def handle_close(self):
        print("Client has left the building")
        self.close()


class Door(asyncore.dispatcher):
    def __init__(self, host):
        super().__init__()
        self.create_socket()
        self.set_reuse_addr()
        self.bind((host, 0))
        self.listen(16)
        print(f"listening on port {self.socket.getsockname()[1]};")

    def handle_accepted(self, sock, addr):
        print("Incoming connection from %s:%d" % addr)
        Receipts(sock)


Door(sys.argv[1])
asyncore.loop()
