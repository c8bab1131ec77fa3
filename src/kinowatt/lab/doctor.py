"""`kinowatt doctor`: what can be measured on this machine, what not, and the exact fix."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from kinowatt.errors import KinowattError, MissingExtraError
from kinowatt.lab import doctor_gpu, doctor_host
from kinowatt.lab.finding import INSTALL, Finding
from kinowatt.lab.meters.contract import MeterUnavailable


@dataclass(frozen=True, slots=True)
class Probe:
    """One look at the machine. `without`: what it means where the look fails."""

    name: str
    without: str
    look: Callable[[], Iterable[Finding]]


PROBES = (
    Probe("NVIDIA driver", "no GPU energy, power or clocks", doctor_gpu.driver),
    Probe("GPUs", "no GPU can be named", doctor_gpu.gpus),
    Probe("GPU sensors", "no GPU energy", doctor_gpu.sensors),
    Probe("torch", "no pipeline can be run", doctor_gpu.torch_build),
    Probe("pipeline libraries", "no pipeline can be built", doctor_host.pipelines),
    Probe("bytecode", "how fast workers start is unknown", doctor_host.bytecode),
    Probe("CodeCarbon", "rows cannot carry the paper's own meter", doctor_host.codecarbon),
    Probe("RAPL", "CPU energy is null, memory modelled", doctor_host.rapl),
    Probe("RAM model", "no energy of memory", doctor_host.ram),
    Probe("host", "rows lack facts about the host", doctor_host.machine),
    Probe("disk for weights", "room for weights unknown", doctor_host.disk),
    Probe("weights from the hub", "downloads unknown", doctor_host.hub),
)


def diagnose(probes: Iterable[Probe] = PROBES) -> tuple[Finding, ...]:
    """Every capability in turn; a probe that fails is a finding, never an error."""
    return tuple(finding for probe in probes for finding in _isolated(probe))


def _isolated(probe: Probe) -> Iterator[Finding]:
    try:
        yield from list(probe.look())
    except MeterUnavailable as error:
        yield _missing(probe, error.reason, error.fix)
    except MissingExtraError as error:
        yield _missing(probe, str(error).partition(":")[0], INSTALL)
    except KinowattError as error:
        yield _missing(probe, str(error), None)
    except Exception as error:  # noqa: BLE001 (a broken driver must not hide what else there is)
        line = " ".join(f"{type(error).__name__}: {error}".split())
        yield _missing(probe, line, "mend what this line names, or report it as a bug of Kinowatt")


def _missing(probe: Probe, found: str, fix: str | None) -> Finding:
    return Finding(name=probe.name, status="missing", found=found, meaning=probe.without, fix=fix)
