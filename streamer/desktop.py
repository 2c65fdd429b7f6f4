"""One window of an X display: found by its id or title, and watched for another size. Titles are never passed on."""

from __future__ import annotations

from typing import Any

from streamer.sources import WINDOW_ID
from wire.errors import SourceError

Connection = Any  # xcffib.Connection: imported where a window is wanted, since it needs libxcb
CHECK_S = 1.0
TEXT = 1 << 12  # of a title, in units of four bytes


class Window:
    """A window as it was when it was found. For one thread; `close` once."""

    def __init__(self, connection: Connection, id: int, name: str) -> None:
        self.id, self._name, self._connection = id, name, connection
        self._size = self._measure()
        self._checked: float | None = None

    def check(self, now: float) -> None:
        """Raises SourceError where it has another size now, which FFmpeg would not notice; looks once in CHECK_S."""
        if self._checked is not None and 0 <= now - self._checked < CHECK_S:
            return
        self._checked = now
        if self._measure() != self._size:
            raise SourceError("disconnected", self._name, "the window has another size now")

    def close(self) -> None:
        """Let go of the display."""
        self._connection.disconnect()

    def _measure(self) -> tuple[int, int]:
        import xcffib

        try:
            shape = self._connection.core.GetGeometry(self.id).reply()
        except (xcffib.XcffibException, xcffib.ProtocolException):
            raise SourceError("not-found", self._name, "there is no such window any more") from None
        return shape.width, shape.height


def find(display: str, wanted: str, name: str) -> Window:
    """The window with that id, or with that in its title, whatever the case. Raises SourceError.

    A title that is exactly so comes before one that contains it; of several none is chosen.
    """
    try:
        import xcffib
    except (ImportError, OSError):
        raise SourceError(
            "failed", name, "finding a window needs xcffib and libxcb: pip install 'unmask[x11]'"
        ) from None
    try:
        connection: Connection = xcffib.connect(display)  # type: ignore[no-untyped-call]
    except xcffib.ConnectionException:
        raise SourceError("refused", name, "the X display can't be reached") from None
    try:
        return Window(connection, _choose(connection, wanted, name), name)
    except BaseException:
        connection.disconnect()
        raise


def _choose(connection: Connection, wanted: str, name: str) -> int:
    if WINDOW_ID.fullmatch(wanted):
        return int(wanted, 0)
    titles = {id: title.casefold() for id in _windows(connection) if (title := _title(connection, id))}
    exact = [id for id, title in titles.items() if title == wanted.casefold()]
    found = exact or [id for id, title in titles.items() if wanted.casefold() in title]
    if not found:
        raise SourceError("not-found", name, "no window on this display has that in its title")
    if len(found) > 1:
        raise SourceError(
            "not-found", name, f"{len(found)} windows have that in their titles: give more of it, or an id"
        )
    return found[0]


def _windows(connection: Connection) -> list[int]:
    """What the window manager calls windows; without one, those that lie on the root."""
    root = connection.get_setup().roots[connection.pref_screen].root
    managed = _property(connection, root, "_NET_CLIENT_LIST")
    if managed:
        return [int.from_bytes(managed[at : at + 4], "little") for at in range(0, len(managed), 4)]
    return list(connection.core.QueryTree(root).reply().children)


def _title(connection: Connection, window: int) -> str:
    raw = _property(connection, window, "_NET_WM_NAME") or _property(connection, window, "WM_NAME")
    return raw.decode(errors="replace")


def _property(connection: Connection, window: int, name: str) -> bytes:
    import xcffib

    try:
        atom = connection.core.InternAtom(False, len(name), name).reply().atom
        value = connection.core.GetProperty(False, window, atom, 0, 0, TEXT).reply().value
    except (xcffib.XcffibException, xcffib.ProtocolException):  # it has gone meanwhile
        return b""
    return bytes(value.buf())
