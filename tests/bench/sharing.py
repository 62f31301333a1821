"""What a warm pass pays for writing the view for other services, compared with a pass that keeps the plain view."""

from __future__ import annotations

from statistics import median

from .figures import MB, Figure, Result, Target
from .installation import Installation, Watch
from .programs import Cost, run

FORMS = ("conser", "con_opstk")


def sharing(installation: Installation, repeat: int) -> Result:
    """Warm passes for each generation of services and for none, in turn."""
    installation.slow()
    costs: dict[str, list[Cost]] = {form: [] for form in ("none", *FORMS)}
    requests: dict[str, int] = {}
    for _ in range(repeat):
        for form in costs:
            _pass(installation, form)  # switches over
            watch = Watch(installation.fakes)
            costs[form].append(_pass(installation, form))
            traffic = watch.traffic()
            # Whose turn it is differs from pass to pass.
            requests[form] = traffic.requests - traffic.of("/racks/{id}")
    _pass(installation, "none")
    plain = costs["none"]
    figures = []
    for form in FORMS:
        wall, floor = (median(cost.wall for cost in each) for each in (costs[form], plain))
        cpu, floor_cpu = (median(cost.cpu for cost in each) for each in (costs[form], plain))
        peak, floor_peak = (median(cost.peak for cost in each) for each in (costs[form], plain))
        figures += [
            Figure(f"wall, {form}", wall, "s", floor),
            Figure(f"wall beyond the plain view's, {form}", max(0.0, wall - floor), "s", target=Target(1.0)),
            Figure(f"CPU, {form}", cpu, "s", floor_cpu),
            Figure(f"peak memory, {form}", peak / MB, "MB", floor_peak / MB),
            Figure(f"requests, {form}", requests[form], floor=requests["none"]),
        ]
    return Result("sharing", f"{installation.size}; beside the plain view, median of {repeat}", figures)


def _pass(installation: Installation, form: str) -> Cost:
    return run(["/usr/bin/env", f"COS_UPDATE_VIEW_FOR={form}", *installation.command("bulk", "--once")])
