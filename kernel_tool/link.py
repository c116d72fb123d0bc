"""One channel's socket, read without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import zmq
import zmq.asyncio


class Link:
    """A connected socket of jupyter_client's, and what watches whether it has a peer.

    It is read directly: the asynchronous layer of its own costs more than a message.
    """

    def __init__(self, socket: zmq.asyncio.Socket, on_news: Callable[[], None]) -> None:
        """``on_news`` is called when there is something to read, once until all has been read."""
        self._loop = asyncio.get_running_loop()
        self._owned = (socket, socket.get_monitor_socket(zmq.EVENT_DISCONNECTED))
        self.socket, self._monitor = map(zmq.Socket, self._owned)
        for each in self._owned:
            self._loop.add_reader(each.FD, on_news)

    def messages(self) -> Iterator[list[zmq.Frame]]:
        """The messages that have come, until there are none."""
        while True:
            try:
                yield self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return

    def has_lost_its_peer(self) -> bool:
        """Whether the peer was lost since this was last asked."""
        try:
            self._monitor.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Let go of it. The sockets themselves are closed, not what was made of them to read."""
        for each in self._owned:
            self._loop.remove_reader(each.FD)
            each.close(linger=0)
