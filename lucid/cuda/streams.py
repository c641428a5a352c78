"""Streams and events: order and timing of work on a device."""

from __future__ import annotations

from typing import Any

from .devices import cupy, index_of


class Stream:
    """A queue of work on a device; work of different streams may overlap.

    Make it current with ``with lucid.cuda.stream(s):``. RuntimeError without CUDA.
    """

    def __init__(self, device: Any = None, priority: int = 0, *, native: Any = None):
        cp = cupy()
        self.device_index = index_of(device)
        if native is None:
            with cp.cuda.Device(self.device_index):
                native = cp.cuda.Stream(non_blocking=True, priority=priority)
        self.native = native

    @property
    def cuda_stream(self) -> int:
        """The address of CUDA's stream."""
        return int(self.native.ptr)

    @property
    def device(self) -> Any:
        from ..core.device import device as Device

        return Device("cuda", self.device_index)

    def synchronize(self) -> None:
        """Wait until all work of this stream is done."""
        self.native.synchronize()

    def query(self) -> bool:
        """Whether all work of this stream is done."""
        return bool(self.native.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark into the stream; returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let work that is asked for from now on wait for a mark."""
        self.native.wait_event(event.made())

    def wait_stream(self, stream: Stream) -> None:
        """Let work that is asked for from now on wait for what another stream has been asked."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.cuda_stream, self.device_index) == (
            other.cuda_stream,
            other.device_index,
        )

    def __hash__(self) -> int:
        return hash((self.cuda_stream, self.device_index))

    def __repr__(self) -> str:
        return f"<lucid.cuda.Stream device=cuda:{self.device_index} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream: to wait for, or to measure time between two of them (``enable_timing=True``)."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False):
        cupy()
        self._options = {"block": blocking, "disable_timing": not enable_timing, "interprocess": interprocess}
        self._native: Any = None

    def made(self) -> Any:
        """CuPy's event, made at its first use, on the device that is current then."""
        if self._native is None:
            self._native = cupy().cuda.Event(**self._options)
        return self._native

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark into a stream (the current one)."""
        self.made().record((current_stream() if stream is None else stream).native)

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream (the current one) wait for the mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the mark has been reached."""
        return self._native is None or bool(self._native.done)

    def synchronize(self) -> None:
        """Wait until the mark has been reached."""
        if self._native is not None:
            self._native.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another. ValueError if either was made without ``enable_timing`` or never recorded."""
        for event in (self, end_event):
            if event._options["disable_timing"]:
                raise ValueError("Both events must be created with argument 'enable_timing=True'.")
            if event._native is None:
                raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(cupy().cuda.get_elapsed_time(self._native, end_event._native))


class stream:
    """Make a stream the current one for a block; ``None`` changes nothing."""

    def __init__(self, stream: Stream | None):
        self.stream = stream
        self._device: Any = None

    def __enter__(self) -> None:
        if self.stream is not None:
            self._device = cupy().cuda.Device(self.stream.device_index)
            self._device.__enter__()
            self.stream.native.__enter__()

    def __exit__(self, *exc: Any) -> None:
        if self.stream is not None:
            self.stream.native.__exit__(*exc)
            self._device.__exit__(*exc)


StreamContext = stream


def current_stream(device: Any = None) -> Stream:
    """The stream that work is now put into."""
    index = index_of(device)
    cp = cupy()
    with cp.cuda.Device(index):
        return Stream(index, native=cp.cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that work is put into unless another is made current."""
    index = index_of(device)
    return Stream(index, native=cupy().cuda.Stream.null)


def set_stream(stream: Stream | None) -> None:
    """Make a stream the current one; ``None`` changes nothing."""
    if stream is not None:
        stream.native.use()


def is_current_stream_capturing() -> bool:
    """Whether work is being recorded into a graph instead of done; False without CUDA."""
    from .devices import is_initialized

    return is_initialized() and bool(cupy().cuda.get_current_stream().is_capturing())


class CUDAGraph:
    """Work recorded once and repeated with one call: the same kernels on the same memory.

    What ``lucid.compile`` will use. Keep every tensor that takes part alive, write new data into the same input tensors
    (``x.copy_(...)``), and run the work once before capturing, so that its kernels are compiled and the pool is filled.
    """

    def __init__(self) -> None:
        cupy()
        self._graph: Any = None
        self._context: Any = None
        self._stream: Stream | None = None

    def capture_begin(self, stream: Stream | None = None) -> None:
        """Record what is asked from now on, on a stream of its own."""
        self._stream = Stream() if stream is None else stream
        self._context = globals()["stream"](self._stream)
        self._context.__enter__()
        self._stream.native.begin_capture()

    def capture_end(self) -> None:
        """Stop recording. RuntimeError if nothing was begun."""
        if self._stream is None:
            raise RuntimeError("CUDAGraph.capture_end: no capture was begun")
        try:
            self._graph = self._stream.native.end_capture()
        finally:
            self._context.__exit__(None, None, None)
            self._context = None

    def replay(self) -> None:
        """Do it all again, on the current stream. RuntimeError before anything was recorded."""
        if self._graph is None:
            raise RuntimeError("CUDAGraph.replay: nothing has been captured")
        self._graph.launch(current_stream().native)

    def reset(self) -> None:
        """Forget what was recorded."""
        self._graph = None


class graph:
    """Record a block into a ``CUDAGraph``."""

    def __init__(self, cuda_graph: CUDAGraph, pool: Any = None, stream: Stream | None = None):
        self.cuda_graph, self.stream = cuda_graph, stream

    def __enter__(self) -> None:
        cupy().cuda.Device().synchronize()
        self.cuda_graph.capture_begin(self.stream)

    def __exit__(self, *exc: Any) -> None:
        self.cuda_graph.capture_end()
