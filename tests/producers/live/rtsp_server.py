"""A real RTSP server (aio-rtsp-toolkit) in a process of its own: to be killed and to be frozen.

As a program: `python -m tests.producers.live.rtsp_server FOLDER PORT` serves the clips of a folder,
each in real time and without end, until it is ended. It says "ready" once it can be reached.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import SystemRandom

from onehertz.stack.ports import choose_port, is_free

ROOT = Path(__file__).parents[3]


class RtspServer:
    """The clips of a folder, each at `url(name)`."""

    def __init__(self, folder: Path) -> None:
        self.port = choose_port(SystemRandom(), avoid=(), free=is_free)
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def url(self, name: str, place: str = "127.0.0.1") -> str:
        return f"rtsp://{place}:{self.port}/{name}?play_count=0"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.producers.live.rtsp_server"]
        self._process = subprocess.Popen(
            [*command, str(self._folder), str(self.port)],
            cwd=ROOT,
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
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """The connections stay open, and nothing comes."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


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
