"""The process inside the lab that runs things for the notebook: it answers calls on its standard input and output.

Started as a script, with the folders that Python should import from. It loads as little as it can, because on
User-Mode Linux every module costs milliseconds. When the stream ends, for whatever reason, the agent ends, and
with it, as the first process, everything in the lab.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
import traceback
from typing import Any

READY = b"LABKIT AGENT READY\n"


def load_execnet() -> Any:
    """Return execnet's gateway_base alone; the package around it would cost ten times as much to import."""
    package = importlib.util.find_spec("execnet")
    assert package is not None and package.submodule_search_locations is not None
    file = os.path.join(package.submodule_search_locations[0], "gateway_base.py")
    spec = importlib.util.spec_from_file_location("execnet.gateway_base", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def take_stream(base: Any) -> Any:
    """Return the standard streams as execnet's byte stream, and put /dev/null in their place."""
    if os.isatty(0):  # User-Mode Linux: a serial line
        import tty

        tty.setraw(0)
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    stdout.write(READY)
    stdout.flush()
    return base.Popen2IO(stdout, stdin, base.get_execmodel("thread"))


def serve_calls(control: Any) -> None:
    """Answer every call that arrives on the channel `control`, each in a thread and on a channel of its own."""
    for number, channel, name, arguments in control:
        control.send(number)
        try:
            threading.Thread(target=answer, args=(channel, name, arguments), daemon=True).start()
        except RuntimeError as error:  # too many processes in the lab
            send_error(channel, error)
            channel.close()


def answer(channel: Any, name: str, arguments: bytes | str) -> None:
    """Call `module:function` and send what it yields as ("item", …), then ("result", …) or ("error", …)."""
    cancel_fd = -1
    try:
        if isinstance(arguments, str):  # many: they are in this file
            with open(arguments, "rb") as file:
                os.unlink(arguments)
                arguments = file.read()
        args, kwargs = sys.modules["execnet.gateway_base"].loads(arguments)
        module, _, function_name = name.partition(":")
        function = getattr(importlib.import_module(module), function_name)
        if "cancel_fd" in getattr(getattr(function, "__code__", None), "co_varnames", ()):
            cancel_fd, writing = os.pipe()  # can be read once the caller has closed the channel
            channel.setcallback(lambda _end: os.close(writing), endmarker=None)
            kwargs["cancel_fd"] = cancel_fd
        result = function(*args, **kwargs)
        if hasattr(result, "send"):  # a generator
            with contextlib.closing(result) as items:
                result = yield_from(channel, items)
        send(channel, ("result", result))
    except Exception as error:  # whatever it is, it travels to the caller
        send_error(channel, error)
    finally:
        channel.close()
        if cancel_fd >= 0:
            os.close(cancel_fd)


def yield_from(channel: Any, items: Any) -> object:
    """Send what the generator yields and return what it returns."""
    while True:
        try:
            item = next(items)
        except StopIteration as stop:
            return stop.value
        send(channel, ("item", item))


def send(channel: Any, message: object) -> None:
    """Send a message. The names of files and processes may be bytes that are no text: those are sent as question marks."""
    try:
        channel.send(message)
    except sys.modules["execnet.gateway_base"].DumpError:
        channel.send(as_text(message))


def as_text(value: Any) -> Any:
    """What a call returned, with nothing in it that is no text."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {as_text(key): as_text(one) for key, one in value.items()}
    return type(value)(map(as_text, value)) if isinstance(value, (list, tuple, set)) else value


def send_error(channel: Any, error: Exception) -> None:
    """Send the error, unless the channel is closed."""
    words = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        send(channel, ("error", (type(error).__name__, str(error), words)))


def main() -> None:
    sys.path[:0] = sys.argv[1:]
    os.environ.pop("LD_LIBRARY_PATH", None)
    # What http.client and dnspython can do without, and takes a fifth of the time in which all that a check needs is imported.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    base = load_execnet()
    # The caller's first message runs serve_calls of this module, under its package's name.
    sys.modules["labkit.machine.agent"] = sys.modules[__name__]
    base.serve(take_stream(base), id="agent")


if __name__ == "__main__":
    main()
