"""Real RTSP servers in processes of their own, to be killed and to be frozen; one needs no more
than pip (aio-rtsp-toolkit), the other one, for the harder cases, is in gst_server.py.

As a program: `python -m tests.producers.live.rtsp_server FOLDER PORT` serves the clips of a folder,
each in real time and without end, until it is ended. It says "ready" once it can be reached.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

from onehertz.stack.ports import choose_port, is_free

ROOT = Path(__file__).parents[3]


class RtspProcess:
    """A server on a port of its own, the same one after each start."""

    def __init__(self) -> None:
        self.port = choose_port(SystemRandom(), avoid=(), free=is_free)
        self._process: subprocess.Popen[str] | None = None

    def command(self) -> Sequence[str]:
        """What runs it. It says "ready" once it can be reached."""
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command(),
            cwd=ROOT,
            stdin=subprocess.PIPE,  # which closes when this process ends, however that comes
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert "ready\n" in iter(self._process.stdout.readline, "")

    def kill(self) -> None:
        """As a camera whose plug is pulled; does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """The connections stay open, and nothing comes."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


class RtspServer(RtspProcess):
    """The clips of a folder, each at `url(name)`, by aio-rtsp-toolkit."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def url(self, name: str, place: str = "127.0.0.1") -> str:
        return f"rtsp://{place}:{self.port}/{name}?play_count=0"

    def command(self) -> Sequence[str]:
        """See `RtspProcess`."""
        program = [sys.executable, "-m", "tests.producers.live.rtsp_server"]
        return [*program, str(self._folder), str(self.port)]


async def _serve(folder: str, port: int) -> None:
    from aio_rtsp_toolkit.server import RtspServer as Toolkit

    # It holds a thread for each stream; by default there are six of them on two cores.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
    server = Toolkit(directory=folder, host="127.0.0.1", port=port)
    await server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
