"""Where works are judged: in threads of this process, or by the workers of a Dask scheduler (`labkit grade --on ADDRESS`).

To a batch both are the same: a work goes there as the bytes of its report, and text comes back, of which `taken` makes a grade
only if it is one. A worker is ours, and trusted as this process is: what a stranger wrote runs in its labs alone. Whoever reaches
a scheduler can have its workers run anything, so it belongs on a network of its own, or behind Dask's TLS.

Dask has a work that was on a lost worker judged by another. It does not know which works were begun there and which only waited,
so each that begins is noted at the scheduler; one that was begun on TRIES workers, and ended all of them, is begun no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from ..errors import BadInput, CourseError, LabError, shortage
from ..homework.submission import MAX_PAGE
from ..judge.check import Stop
from ..judge.verdict import Verdict
from ..machine.doctor import PROGRAMS
from ..machine.view import PATH
from .grade import STATES, Grade, grade_one

if TYPE_CHECKING:
    from distributed import Client

# How long a machine may take to answer, seconds; a scheduler on it may take thrice as long.
CONNECT = 5
# So many works for each thread of a worker are on their way, so that it need not wait for the next one; and how often the
# scheduler is asked for its threads, seconds.
AHEAD, EVERY = 2, 0.5
# How many workers may be lost to a work.
TRIES = 2
# How long the answer to a work may take, seconds: an honest one takes 3 to 6, one whose scripts hang some minutes, and a frozen
# worker is given up by Dask after 5 to 10 minutes (distributed.scheduler.worker-ttl), twice.
LIMIT = 3600.0
LOST = "look at these workers' logs; alone and without --on it is graded on this machine"
ALIKE = "run labkit grade, the scheduler and the workers from one image, or on machines that are set up alike"
CERTIFICATES = (
    "name them in Dask's configuration, distributed.comm.tls, or as DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and "
    "…__CLIENT__KEY"
)
GONE = "The Dask scheduler is gone."
AGAIN = "start it again; the same command goes on from its notes"


@dataclass(frozen=True)
class Judges:
    """`room` says how many works can be judged at once; `submit` takes what `judged` does, and its future gives the answer."""

    room: Callable[[], int]
    submit: Callable[..., Future[str]]


@cache
def edition() -> str:
    """What names the judge: a digest of labkit's files and of the programs with which it judges.

    Grades of another one are not taken for its own.
    """
    own = sorted(path for path in Path(__file__).resolve().parents[1].rglob("*") if path.is_file())
    programs = [Path(found) for name in sorted(PROGRAMS) if (found := shutil.which(name, path=PATH))]
    whole = hashlib.sha256()
    for path in [path for path in own if path.suffix != ".pyc"] + programs:
        whole.update(hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes()).digest())
    return whole.hexdigest()[:16]


def judged(name: str, report: bytes, tasks: tuple[int, ...], *, stop: Stop) -> str:
    """Grade one report, as grade_one does, and return the grade as JSON, with the edition of this judge."""
    grade = grade_one(report, name=name, tasks=tasks, stop=stop)
    return json.dumps({"edition": edition(), "grade": asdict(grade)})


def taken(answer: object, name: str) -> Grade:
    """Return the grade in an answer for the row `name`.

    Raises ValueError, KeyError or TypeError for an answer that is none, and LabError for one of a worker that judges otherwise.
    """
    if not isinstance(answer, str) or len(answer) > MAX_PAGE:
        kind = type(answer).__name__
        raise TypeError(f"the answer is {kind} and no text, or is longer than {MAX_PAGE:,} characters")
    said = json.loads(answer)
    if said["edition"] != edition():
        words = f"{said.get('worker')}: edition {str(said['edition'])[:16]}; here: {edition()}"
        tried = "A worker's labkit, or a program that it judges with, is not the one here."
        raise LabError(tried, words=words, way_out=ALIKE)
    if "lost" in said:
        words = ", ".join(map(str, said["lost"]))
        tried = f"Set aside: the {TRIES} workers that judged it ended, or did not answer."
        raise CourseError(tried, words=words, way_out=LOST)
    grade = said["grade"]
    known = fits(grade, Grade) and fits(grade["verdicts"], list[Verdict])
    if not known or grade["state"] not in STATES or grade["hand"] or grade["file"] != name:
        raise ValueError("the answer is not of the form of a grade, or to another work")
    return Grade(**grade)


def fits(value: Any, kind: Any) -> bool:
    """Return True when plain data is of a type: int, list[str], dict[str, Any] and the like, or has the parts of a dataclass."""
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        same = type(value) is dict and value.keys() == kinds.keys()
        return same and all(fits(value[key], kinds[key]) for key in kinds)
    whole, parts = get_origin(kind) or kind, get_args(kind)
    if kind is Any or type(value) is not whole or not parts:
        return kind is Any or type(value) is whole
    return all(fits(each, parts[-1]) for each in (value.values() if whole is dict else value))


@contextmanager
def here(jobs: int) -> Iterator[Judges]:
    """Judge works in this process, `jobs` at once. What ends it ends their labs at once. Raises LabError for want of threads."""
    stop = Stop()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield Judges(lambda: jobs, lambda *work: pool.submit(judged, *work, stop=stop))
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.now()
            way_out = shortage(words := str(error)) if isinstance(error, RuntimeError) else ""
            if way_out:
                tried = "No thread can be started to grade."
                raise LabError(tried, words=words, way_out=way_out) from None
            raise


@contextmanager
def on(address: str, judge: Callable[..., str] = judged) -> Iterator[Judges]:
    """Have works judged by the workers of the Dask scheduler at `address`, one in each of their threads.

    What ends it cancels what waits there, and ends the labs of what does not. Raises BadInput for what is no address, or one of
    TLS without certificates, and LabError where no scheduler answers, or no longer.
    """
    from distributed import Client
    from distributed.comm import get_address_host_port
    from distributed.security import Security

    way_out = "start one (`dask scheduler`) and name the address that it prints, or look at what lies between"
    try:
        if address.startswith("tls:"):
            way_out = f"{way_out}; its certificates must be of the same authority: {CERTIFICATES}"
            if not Security().get_connection_args("client").get("ssl_context"):
                tried = f"{address} is asked by TLS, and there are no certificates for that."
                raise BadInput(tried, way_out=CERTIFICATES)
        place = get_address_host_port(address)
        socket.create_connection(place, timeout=CONNECT).close()  # who refuses is not asked again
        taken = ["dask", "msgpack", "error"]  # results that are pickled are not
        client = Client(address, timeout=3 * CONNECT, set_as_default=False, deserializers=taken)
    except ValueError as error:
        tried, way_out = f"{address!r} is no address of a Dask scheduler.", "--on tcp://HOST:8786"
        raise BadInput(tried, words=str(error), way_out=way_out) from None
    except OSError as error:
        tried = f"No Dask scheduler answers at {address}."
        raise LabError(tried, words=str(error), way_out=way_out) from None
    with closing(client):
        dashboard = client.dashboard_link
        print(f"graded by the workers of {address}; Dask's dashboard: {dashboard}", file=sys.stderr)
        loop: Any = client.loop
        wanted, told, threads, asked = edition(), False, 0, -EVERY

        def room() -> int:
            nonlocal told, threads, asked
            if time.monotonic() < asked + EVERY:
                return AHEAD * threads
            try:
                threads, asked = sum(client.nthreads().values()), time.monotonic()
            except OSError as error:
                raise LabError(GONE, words=str(error), way_out=AGAIN) from None
            if not threads:
                if not told:
                    how = f"dask worker {address} --nthreads 1"
                    print(f"it has no worker yet: waiting for one ({how})", file=sys.stderr)
                told = True
                time.sleep(EVERY)
            return AHEAD * threads

        def submit(*work: Any) -> Future[str]:
            answer = there(client, judge, wanted, *work)
            return asyncio.run_coroutine_threadsafe(answer, loop.asyncio_loop)

        yield Judges(room, submit)


async def there(client: Client, judge: Callable[..., str], wanted: str, *work: Any) -> Any:
    """Have a work judged by some worker; return its answer.

    Raises CourseError where this work has none, LabError where none will have, and what was raised where it was judged.
    """
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    task = client.submit(on_worker, judge, wanted, *work, pure=False)

    def done(_task: object) -> None:
        with suppress(RuntimeError):  # after an interrupt the loop may be closed
            loop.call_soon_threadsafe(ended.set)

    task.add_done_callback(done)
    try:
        async with asyncio.timeout(LIMIT):  # gather alone leaves errors behind when it is cancelled
            await ended.wait()
            return await client.gather(task, asynchronous=True)
    except TimeoutError:
        raise CourseError(f"No worker has answered in {LIMIT:g} s.", way_out=LOST) from None
    except KilledWorker as error:
        tried = "Set aside: the workers that judged it ended."
        raise CourseError(tried, words=str(error), way_out=LOST) from None
    except FutureCancelledError as error:
        raise LabError(GONE, words=str(error), way_out=AGAIN) from None
    except RuntimeError as error:
        if "deserialization" in str(error):
            tried = "The Dask scheduler does not know this labkit."
            raise LabError(tried, words=str(error), way_out=ALIKE) from None
        raise
    finally:
        task.release()


def on_worker(judge: Callable[..., str], wanted: str, *work: Any) -> str:
    """Judge a work in a worker of Dask, unless this is not the judge that is wanted, or its workers were lost before."""
    from distributed import get_client, get_worker

    worker = get_worker()
    key = str(worker.get_current_task())
    said = {"edition": edition(), "worker": worker.address}
    if said["edition"] != wanted:
        return json.dumps(said)
    worker.log_event(key, worker.address)
    lost = [where for _, where in get_client().get_events(key) if where != worker.address]
    if len(lost) >= TRIES:
        return json.dumps(said | {"lost": lost})
    stop, ended = Stop(), threading.Event()

    def watch() -> None:
        while not ended.wait(1):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":  # nobody waits for it any more
                stop.now()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return str(judge(*work, stop=stop))
    finally:
        ended.set()
