"""What a service counts, for Prometheus. Knows numbers and names; knows no request."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts of one service, in a registry of its own: two services in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "zeronine_requests", "Requests answered.", ("method", "path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "zeronine_request_seconds",
            "From a request's headers to its answer.",
            ("path",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._refused = Counter("zeronine_refused", "Requests refused.", ("reason",), registry=self._registry)
        self._waiting = Gauge("zeronine_waiting", "What waits to be read.", ("queue",), registry=self._registry)
        self._batch = Histogram(
            "zeronine_batch_size", "Read together.", ("queue",), buckets=SIZES, registry=self._registry
        )
        self._model = Gauge("zeronine_model", "1 for the model in use.", ("model",), registry=self._registry)
        # A label's own counter is kept at hand: to look it up takes longer than to count.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: as HTTP has it.
            path: the pattern of the path, never the path itself: a client could make as many as it likes.
            status: of the answer.
            seconds: that it took.
        """
        key = (method, path, status)
        if key not in self._known:
            self._known[key] = (self._requests.labels(method, path, str(status)), self._seconds.labels(path))
        count, histogram = self._known[key]
        count.inc()
        histogram.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that was refused, by a reason that is one of ours."""
        self._refused.labels(reason).inc()

    def watch(self, queue: str, waiting: Callable[[], float]) -> Callable[[int], None]:
        """Show how much waits in a queue; what comes back counts the batches that leave it."""
        self._waiting.labels(queue).set_function(waiting)
        return self._batch.labels(queue).observe

    def in_use(self, model: str) -> None:
        """Show the model that is in use now."""
        self._model.clear()
        self._model.labels(model).set(1)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)
