"""Ray started on this machine and ended again, or a cluster that runs: without chatter, and with its errors in a sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from pipeline.errors import SemblanceError

HERE = "local"
STORE_BYTES = 200_000_000  # of this machine's shared memory; what waits there is thumbnails and embeddings only


def prepare(address: str) -> None:
    """Before Ray, or gRPC, is first imported: they read these then."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else an error line that Ray Data causes, ray issue 53727
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # else essays on stdout when a worker dies
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if (
        address == HERE and "ray" not in sys.modules
    ):  # Ray listens on every network of this machine: only who has the token is heard
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Inside, Ray runs. What fails in it is raised as a SemblanceError; Ray started here is ended, with its files."""
    import ray

    if ray.is_initialized():
        raise SemblanceError("Ray runs in this process already; end it first: ray.shutdown()")
    with contextlib.ExitStack() as stack:
        stack.callback(ray.shutdown)  # also when only half of it has started
        try:
            _knock(address)
            _start(address, stack)
        except Exception as error:  # a start that takes too long is just that, an Exception
            said = " ".join(str(error).split())[:300]
            if address == HERE:
                raise SemblanceError(f"Ray does not start on this machine ({said}); leave --engine ray out") from error
            raise SemblanceError(f"no Ray cluster at {address} ({said}); start one with: ray start --head") from error
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised, and told once
        try:
            yield
        except (ray.exceptions.RayError, ray.data.exceptions.UserCodeException) as error:
            raise _explained(error) from error


def _start(address: str, stack: contextlib.ExitStack) -> None:
    """Ray's own start gives its processes so many seconds, which a busy machine may need for other things: once more, then."""
    import ray

    for last in (False, True):
        options: dict[str, Any] = {"address": address}
        if address == HERE:
            # sockets lie in this folder, whose path must be short
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True))
            options = {"include_dashboard": False, "object_store_memory": STORE_BYTES, "_temp_dir": folder}
        try:
            with _mute():
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
            return
        except Exception:  # "raylet failed to startup" and its like have no class of their own
            if last or address != HERE:
                raise
            ray.shutdown()


def _knock(address: str) -> None:
    """OSError when nobody listens at HOST:PORT: Ray itself would ask again for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextlib.contextmanager
def _mute() -> Iterator[None]:
    """Nothing reaches stderr inside: Ray's C++ part says there that it was told to say nothing."""
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        before = os.dup(2)
        stack.callback(os.close, before)
        nowhere = stack.enter_context(open(os.devnull, "wb"))
        os.dup2(nowhere.fileno(), 2)
        stack.callback(os.dup2, before, 2)
        yield


def _explained(error: BaseException) -> SemblanceError:
    """The sentence of a worker's own SemblanceError, or one that ends with what Ray said."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SemblanceError):
            return type(cause)(*cause.args)
        cause = cause.__cause__
    said = " ".join(str(error).split()).rpartition("SemblanceError: ")[
        2
    ]  # of one that ended its actor only text is left
    return SemblanceError(
        f"Ray gave up ({said[-300:]}); what was committed is kept, the same command goes on from there"
    )
