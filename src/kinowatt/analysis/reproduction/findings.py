"""Every finding that changes a number, before and after, computed from the data."""

from kinowatt.analysis.reproduction import findings_data as data
from kinowatt.analysis.reproduction import findings_model as model
from kinowatt.analysis.reproduction.model import Finding

# Those that change a conclusion first, then protocol, power, formulas.
FINDINGS = (
    model.steps_frames,
    model.cancelling,
    model.overhead,
    model.fixed_seconds,
    model.constants,
    model.utilisation,
    model.latent_frames,
    data.staircase,
    model.vae_stage,
    model.vae_efficiency,
    model.efficiencies,
    model.corrected_model,
    model.held_out,
    data.ltx_latency,
    data.ltx_workload,
    data.wan_listed,
    data.protocol,
    data.error_bars,
    data.prompts,
    data.resolution_range,
    data.frames_range,
    model.all_steps,
    model.absolute,
    data.mochi_frames,
    data.power,
    data.power_states,
    data.floor,
    data.second_repeat,
    data.ram,
    data.cpu,
    data.scope,
    model.peak,
    model.text_encoder,
    model.timestep,
    model.doubling,
    model.attention_bytes,
    model.mlp_intensity,
    model.l4_balance,
    model.several_mu,
    data.cpu_of_14b,
    data.steps_of_others,
)


def all_findings() -> tuple[Finding, ...]:
    return tuple(finding() for finding in FINDINGS)
