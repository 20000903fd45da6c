"""Simulated beamline loaded by the RE Manager worker (``start-re-manager --startup-dir``).

Everything the tests need lives here: motors, detectors that evaluate the Himmelblau
surface, and plans that succeed, crawl, fail early, fail late, open several runs or none.

Environment (all optional; ``stack.sh`` sets them):
  LAB_DOC_ADDR        ``host:port`` of the 0MQ document proxy input; empty = do not publish
  LAB_DOC_SERIALIZER  pickle (bluesky's default) | msgpack | json
  LAB_DOC_PREFIX      topic prefix, no spaces (default: empty, which is bluesky's default)
  LAB_MOTOR_DELAY     seconds each motor move takes (default 0)
  LAB_NOISE           sigma of ``himmel_noisy`` (default 1.0)
"""

import os

import numpy as np
from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.plans import count, grid_scan, list_scan  # noqa: F401  (exposed as plans)
from bluesky_queueserver import is_re_worker_active
from ophyd.sim import SynAxis, SynSignal

RE = RunEngine({})  # the queue server requires a RunEngine called RE in the namespace


# --------------------------------------------------------------------------- documents
def _doc_serializer(kind):
    """Return ``callable(doc) -> bytes``; pickle is what every stock bluesky consumer expects."""
    if kind == "pickle":
        import pickle

        return pickle.dumps
    if kind == "msgpack":
        import msgpack
        import msgpack_numpy

        return lambda doc: msgpack.packb(doc, default=msgpack_numpy.encode)
    if kind == "json":
        import orjson  # NaN/inf become null, numpy scalars and arrays become JSON numbers/lists

        return lambda doc: orjson.dumps(doc, option=orjson.OPT_SERIALIZE_NUMPY)
    raise ValueError(f"unknown LAB_DOC_SERIALIZER {kind!r}")


if is_re_worker_active() and os.environ.get("LAB_DOC_ADDR"):
    from bluesky.callbacks.zmq import Publisher

    RE.subscribe(
        Publisher(
            os.environ["LAB_DOC_ADDR"],
            prefix=os.environ.get("LAB_DOC_PREFIX", "").encode(),
            serializer=_doc_serializer(os.environ.get("LAB_DOC_SERIALIZER", "pickle")),
        )
    )

# --------------------------------------------------------------------------- devices
_delay = float(os.environ.get("LAB_MOTOR_DELAY", "0"))
_sigma = float(os.environ.get("LAB_NOISE", "1.0"))
_rng = np.random.default_rng(20240229)


class BoundedAxis(SynAxis):
    """A SynAxis that refuses targets outside ``(low, high)`` the way a real motor record does."""

    def __init__(self, *args, low=-5.0, high=5.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.low, self.high = low, high

    def check_value(self, value):
        if not self.low <= float(value) <= self.high:
            raise ValueError(f"{self.name}: target {value} outside limits ({self.low}, {self.high})")

    def set(self, value):
        self.check_value(value)
        return super().set(value)


motor1 = SynAxis(name="motor1", delay=_delay, labels={"motors"})
motor2 = SynAxis(name="motor2", delay=_delay, labels={"motors"})
bounded = BoundedAxis(name="bounded", delay=_delay, labels={"motors"})
# The Python variable name (what plans_allowed / devices_allowed list) differs on purpose from the
# ophyd name (what appears as the data key in documents and in Tiled).
renamed_axis = SynAxis(name="stage_theta", delay=_delay, labels={"motors"})


def _himmelblau():
    x, y = motor1.position, motor2.position
    return float((x**2 + y - 11.0) ** 2 + (x + y**2 - 7.0) ** 2)


def _beam_image():
    """24 x 32 Gaussian spot that follows the motors (128+ elements: stored as zarr by TiledWriter)."""
    rows, cols = np.mgrid[0:24, 0:32]
    r0, c0 = 11.5 + motor2.position, 15.5 + motor1.position
    return np.exp(-((rows - r0) ** 2 + (cols - c0) ** 2) / 18.0)


def _always_fails():
    raise RuntimeError("broken_det: simulated detector fault")


himmel_det = SynSignal(name="himmel_det", func=_himmelblau, labels={"detectors"})
himmel_noisy = SynSignal(
    name="himmel_noisy", func=lambda: _himmelblau() + _sigma * float(_rng.normal()), labels={"detectors"}
)
nan_det = SynSignal(name="nan_det", func=lambda: float("nan"), labels={"detectors"})
slow_det = SynSignal(name="slow_det", func=_himmelblau, exposure_time=1.0, labels={"detectors"})
vec3_det = SynSignal(
    name="vec3_det", func=lambda: [motor1.position, motor2.position, _himmelblau()], labels={"detectors"}
)
image_det = SynSignal(name="image_det", func=_beam_image, labels={"detectors"})
broken_det = SynSignal(name="broken_det", func=lambda: 0.0, labels={"detectors"})
broken_det._func = _always_fails  # installed late: SynSignal calls func once while it is constructed


# --------------------------------------------------------------------------- plans
def _acquire(suggestions, actuators, sensors, md, *, dwell=0.0, fail_after=None):
    """One run, one event per suggestion, a rewind checkpoint before each point."""
    sensors = list(sensors or [])
    run_md = {
        "plan_name": "default_acquire",
        "num_points": len(suggestions),
        **(md or {}),
        "blop_suggestions": [dict(s) for s in suggestions],
        # Row i of the data belongs to this id. Clients must not assume submission order.
        "blop_acquisition_order": [s.get("_id") for s in suggestions],
    }

    @bpp.stage_decorator(sensors + list(actuators))
    @bpp.run_decorator(md=run_md)
    def body():
        for index, suggestion in enumerate(suggestions):
            if fail_after is not None and index >= fail_after:
                raise RuntimeError(f"simulated failure after {index} points")
            yield from bps.checkpoint()
            targets = [part for axis in actuators for part in (axis, suggestion[axis.name])]
            if targets:
                yield from bps.mv(*targets)
            if dwell:
                yield from bps.sleep(dwell)
            yield from bps.trigger_and_read(sensors + list(actuators))

    return (yield from body())


def default_acquire(suggestions, actuators, sensors=None, md=None):
    """Visit every suggestion in the order given and read the sensors there (Blop-compatible call)."""
    return (yield from _acquire(suggestions, actuators, sensors, md))


def reordered_acquire(suggestions, actuators, sensors=None, md=None):
    """Like ``default_acquire`` but visits the points in reverse (Blop >= 1.2 may reorder, too)."""
    return (yield from _acquire(list(reversed(suggestions)), actuators, sensors, md))


def slow_acquire(suggestions, actuators, sensors=None, md=None, dwell: float = 1.0):
    """``dwell`` seconds per point, so that a client can pause, abort or kill in mid-run."""
    return (yield from _acquire(suggestions, actuators, sensors, md, dwell=dwell))


def multi_run_acquire(suggestions, actuators, sensors=None, md=None):
    """One run per suggestion: the history item then lists several run_uids."""
    for suggestion in suggestions:
        yield from _acquire([suggestion], actuators, sensors, md)


def fail_mid_run(suggestions, actuators, sensors=None, md=None, fail_after: int = 1):
    """Raise after ``fail_after`` points: the run exists and its stop document says 'fail'."""
    return (yield from _acquire(suggestions, actuators, sensors, md, fail_after=fail_after))


def fail_before_run(suggestions, actuators, sensors=None, md=None):
    """Raise before open_run: no document is ever published, only the history shows the failure."""
    yield from bps.null()
    raise RuntimeError("simulated failure before open_run")


def move_only(actuators, positions):
    """Completes normally but opens no run: history has run_uids == []."""
    yield from bps.mv(*[part for pair in zip(actuators, positions) for part in pair])


def whereami(names):
    """``function_execute`` target: returns {name: position}. Result is fetched with task_result."""
    return {name: float(globals()[name].position) for name in names}
