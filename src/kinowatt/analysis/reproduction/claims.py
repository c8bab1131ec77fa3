"""The paper's claims, each with a verdict computed from data."""

from collections.abc import Sequence

from kinowatt.analysis.reproduction import claims_models as models
from kinowatt.analysis.reproduction import claims_regime as regime
from kinowatt.analysis.reproduction import claims_scaling as scaling
from kinowatt.analysis.reproduction.model import Claim, Sweep


def all_claims(sweeps: Sequence[Sweep]) -> tuple[Claim, ...]:
    """In the order of the argument: scaling, regime, models and energy."""
    by_name = {item.name: item for item in sweeps}
    return (
        scaling.quadratic(),
        scaling.doubling(),
        scaling.two_doubled(),
        scaling.linear_in_steps(),
        scaling.halving_steps(),
        scaling.agreement(),
        scaling.auxiliary(by_name),
        regime.compute_bound(),
        regime.other_accelerators(),
        regime.saturated(),
        regime.utilisation(),
        regime.mlp_at_short(),
        models.gpu_share(),
        models.multi_stage(),
        models.orders_of_magnitude(),
        models.reasons(),
        models.other_tasks(),
        regime.constant_power(),
        scaling.output_size(),
    )
