"""Prometheus metrics: of this process's requests, and of the queue as the database tells it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """A registry of its own, so that two services in one process do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "onnxhub_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "onnxhub_http_request_seconds", "Time to the end of an answer.", ("route",), registry=self.registry
        )
        self._received = Counter("onnxhub_http_received_bytes", "Bytes of request bodies.", registry=self.registry)
        self.jobs = Gauge("onnxhub_jobs", "Jobs by state.", ("status",), registry=self.registry)
        self.workers = Gauge("onnxhub_workers", "Workers heard of lately.", registry=self.registry)
        self.slots = Gauge("onnxhub_worker_slots", "Jobs that these workers do at a time.", registry=self.registry)
        self.free = Gauge("onnxhub_storage_free_bytes", "Room left on the storage's disk.", registry=self.registry)
        self.job_seconds = Gauge(
            "onnxhub_job_seconds_median", "Median time of the last jobs from start to end.", registry=self.registry
        )

    def request(self, method: str, route: str, status: int, seconds: float, received: int) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self._received.inc(received)

    def text(self) -> bytes:
        return generate_latest(self.registry)
