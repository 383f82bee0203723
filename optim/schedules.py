"""Learning-rate schedules as pure functions of the step.

Each takes the step (0, 1, 2, ...; floats where PyTorch takes them) first and returns a number. They hold no state, so a
run can start anywhere; the classes of `lr_scheduler` apply them to an optimizer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

__all__ = [
    "anneal",
    "constant_lr",
    "cosine_annealing_lr",
    "cosine_annealing_warm_restarts",
    "cyclic_lr",
    "cyclic_phase",
    "exponential_lr",
    "linear_lr",
    "multi_step_lr",
    "one_cycle_lr",
    "one_cycle_momentum",
    "one_cycle_position",
    "polynomial_lr",
    "restart_position",
    "step_lr",
    "warmup_lr",
]


def step_lr(step: int, base_lr: float, step_size: int, gamma: float = 0.1) -> float:
    """base_lr * gamma ** (step // step_size): lower by the factor gamma every step_size steps.

    >>> from retrograd.optim.schedules import step_lr
    >>> [step_lr(s, 1.0, 2, 0.5) for s in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return base_lr * gamma ** (step // step_size)


def multi_step_lr(step: int, base_lr: float, milestones: Sequence[int], gamma: float = 0.1) -> float:
    """base_lr * gamma ** (number of milestones reached); milestones in increasing order.

    >>> from retrograd.optim.schedules import multi_step_lr
    >>> [multi_step_lr(s, 1.0, [1, 3], 0.5) for s in range(4)]
    [1.0, 0.5, 0.5, 0.25]
    """
    return base_lr * gamma ** bisect_right(milestones, step)


def constant_lr(step: int, base_lr: float, factor: float = 1.0 / 3, total_iters: int = 5) -> float:
    """base_lr * factor for the first total_iters steps, then base_lr.

    >>> from retrograd.optim.schedules import constant_lr
    >>> [constant_lr(s, 1.0, 0.5, 2) for s in range(4)]
    [0.5, 0.5, 1.0, 1.0]
    """
    return base_lr * (factor if step < total_iters else 1.0)


def linear_lr(
    step: int, base_lr: float, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
) -> float:
    """base_lr times a factor that goes linearly from start_factor to end_factor in total_iters steps, then stays.

    >>> from retrograd.optim.schedules import linear_lr
    >>> [linear_lr(s, 1.0, 0.5, 1.0, 2) for s in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    passed = step / total_iters if step < total_iters else 1.0
    return base_lr * (start_factor + (end_factor - start_factor) * passed)


def exponential_lr(step: int, base_lr: float, gamma: float) -> float:
    """base_lr * gamma ** step.

    >>> from retrograd.optim.schedules import exponential_lr
    >>> exponential_lr(3, 1.0, 0.5)
    0.125
    """
    return base_lr * gamma**step


def polynomial_lr(step: int, base_lr: float, total_iters: int = 5, power: float = 1.0) -> float:
    """base_lr * (1 - step / total_iters) ** power, and 0 after total_iters steps.

    >>> from retrograd.optim.schedules import polynomial_lr
    >>> [polynomial_lr(s, 1.0, 4, 2.0) for s in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    return base_lr * (1.0 - step / total_iters) ** power if step < total_iters else base_lr * 0.0**power


def cosine_annealing_lr(step: float, base_lr: float, T_max: float, eta_min: float = 0.0) -> float:
    """eta_min + (base_lr - eta_min) * (1 + cos(pi * step / T_max)) / 2: half a cosine wave down, half a wave up again.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), without the restarts.

    >>> from retrograd.optim.schedules import cosine_annealing_lr
    >>> [round(cosine_annealing_lr(s, 1.0, 4), 3) for s in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return eta_min + (base_lr - eta_min) * (1 + math.cos(math.pi * step / T_max)) / 2


def restart_position(step: float, T_0: int, T_mult: int = 1) -> tuple[float, int]:
    """Where step lies when periods of T_0, T_0 * T_mult, T_0 * T_mult**2, ... follow each other: (steps in, period).

    >>> from retrograd.optim.schedules import restart_position
    >>> restart_position(7, 2, 2)
    (1, 8)
    """
    if step < T_0:
        return step, T_0
    if T_mult == 1:
        return step % T_0, T_0
    # The logarithm may miss by one at a restart itself, where the period would be one too short: settled in integers.
    n = int(math.log(step / T_0 * (T_mult - 1) + 1, T_mult))
    if T_0 * (T_mult ** (n + 1) - 1) // (T_mult - 1) <= step:
        n += 1
    elif T_0 * (T_mult**n - 1) // (T_mult - 1) > step:
        n -= 1
    return step - T_0 * (T_mult**n - 1) // (T_mult - 1), T_0 * T_mult**n


def cosine_annealing_warm_restarts(
    step: float, base_lr: float, T_0: int, T_mult: int = 1, eta_min: float = 0.0
) -> float:
    """Half a cosine wave from base_lr to eta_min, again and again, each period T_mult times as long as the one before.

    step may be fractional: epoch + batch / batches. Loshchilov and Hutter, "SGDR" (2017).

    >>> from retrograd.optim.schedules import cosine_annealing_warm_restarts
    >>> [round(cosine_annealing_warm_restarts(s, 1.0, 2, 2), 3) for s in range(6)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146]
    """
    passed, period = restart_position(step, T_0, T_mult)
    return cosine_annealing_lr(passed, base_lr, period, eta_min)


def cyclic_phase(step: int, step_size_up: float, step_size_down: float | None = None) -> tuple[int, float]:
    """(number of the cycle, from 1; height in it, from 0 up to 1 in step_size_up steps and down in step_size_down).

    >>> from retrograd.optim.schedules import cyclic_phase
    >>> [cyclic_phase(s, 2) for s in range(6)]
    [(1, 0.0), (1, 0.5), (1, 1.0), (1, 0.5), (2, 0.0), (2, 0.5)]
    """
    total = float(step_size_up) + float(step_size_up if step_size_down is None else step_size_down)
    ratio = step_size_up / total
    cycle = math.floor(1 + step / total)
    x = 1.0 + step / total - cycle
    return cycle, x / ratio if x <= ratio else (x - 1) / (ratio - 1)


def cyclic_lr(
    step: int,
    base_lr: float,
    max_lr: float,
    step_size_up: float = 2000,
    step_size_down: float | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[float], float] | None = None,
    scale_mode: str = "cycle",
) -> float:
    """base_lr + (max_lr - base_lr) * height * scale: up and down between two rates, at a constant rate of change.

    scale: 1 ("triangular"), 1 / 2**(cycle - 1) ("triangular2"), gamma**step ("exp_range"), or scale_fn of the cycle
    (scale_mode "cycle") or of the step ("iterations"). A momentum cycles the other way: call it with the maximum as
    base_lr and the minimum as max_lr. Smith, "Cyclical learning rates for training neural networks" (2017).

    >>> from retrograd.optim.schedules import cyclic_lr
    >>> [cyclic_lr(s, 0.0, 1.0, 2, mode="triangular2") for s in range(8)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]
    """
    cycle, height = cyclic_phase(step, step_size_up, step_size_down)
    if scale_fn is not None:
        scale = scale_fn(cycle if scale_mode == "cycle" else step)
    elif mode == "triangular":
        scale = 1.0
    elif mode == "triangular2":
        scale = 1 / 2.0 ** (cycle - 1)
    elif mode == "exp_range":
        scale = gamma**step
    else:
        raise ValueError(f"cyclic_lr: mode is {mode!r}; expected triangular, triangular2 or exp_range, or a scale_fn")
    return base_lr + (max_lr - base_lr) * height * scale


def anneal(start: float, end: float, fraction: float, strategy: str = "cos") -> float:
    """From start (fraction 0) to end (fraction 1), along half a cosine wave or a line ("linear").

    >>> from retrograd.optim.schedules import anneal
    >>> anneal(1.0, 3.0, 0.5, "linear")
    2.0
    """
    if strategy == "cos":
        return end + (start - end) / 2.0 * (math.cos(math.pi * fraction) + 1)
    return (end - start) * fraction + start


def one_cycle_position(
    step: float, total_steps: int, pct_start: float = 0.3, three_phase: bool = False
) -> tuple[int, float]:
    """(phase, fraction of it that is done) of the one-cycle policy.

    Phases: up, down; with three_phase up, back to the start, down. The first lasts pct_start * total_steps - 1 steps.

    >>> from retrograd.optim.schedules import one_cycle_position
    >>> [one_cycle_position(s, 5, 0.4) for s in (0, 1, 4)]
    [(0, 0.0), (0, 1.0), (1, 1.0)]
    """
    ends = [float(pct_start * total_steps) - 1, total_steps - 1]
    if three_phase:
        ends.insert(1, float(2 * pct_start * total_steps) - 2)
    begin = 0.0
    for phase, end in enumerate(ends):
        if step <= end or phase == len(ends) - 1:
            return phase, (step - begin) / (end - begin) if end != begin else 1.0
        begin = end
    raise AssertionError("the last phase has no end")


def one_cycle_lr(
    step: float,
    total_steps: int,
    initial_lr: float,
    max_lr: float,
    min_lr: float,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    three_phase: bool = False,
) -> float:
    """The rate of the one-cycle policy: initial_lr up to max_lr, then (three_phase: by way of initial_lr) to min_lr.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates" (2018).

    >>> from retrograd.optim.schedules import one_cycle_lr
    >>> [one_cycle_lr(s, 5, 0.25, 1.0, 0.0, 0.4, "linear") for s in range(5)]
    [0.25, 1.0, 0.6666666666666667, 0.33333333333333337, 0.0]
    """
    stops = (initial_lr, max_lr, initial_lr, min_lr) if three_phase else (initial_lr, max_lr, min_lr)
    phase, fraction = one_cycle_position(step, total_steps, pct_start, three_phase)
    return anneal(stops[phase], stops[phase + 1], fraction, anneal_strategy)


def one_cycle_momentum(
    step: float,
    total_steps: int,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    three_phase: bool = False,
) -> float:
    """The momentum of the one-cycle policy, which mirrors the rate: max_momentum down to base_momentum and up again.

    >>> from retrograd.optim.schedules import one_cycle_momentum
    >>> [round(one_cycle_momentum(s, 5, 0.8, 0.9, 0.4, "linear"), 3) for s in range(5)]
    [0.9, 0.8, 0.833, 0.867, 0.9]
    """
    stops = (max_momentum, base_momentum, max_momentum, max_momentum)
    phase, fraction = one_cycle_position(step, total_steps, pct_start, three_phase)
    return anneal(stops[phase], stops[phase + 1], fraction, anneal_strategy)


def warmup_lr(
    step: int,
    base_lr: float,
    warmup_steps: int,
    total_steps: int | None = None,
    start_factor: float = 0.1,
    decay: str = "constant",
    power: float = 1.0,
    end_lr: float = 0.0,
) -> float:
    """Linearly from start_factor * base_lr to base_lr in warmup_steps steps; then, with s = step - warmup_steps and
    r = s / (total_steps - warmup_steps), at most 1:

        "constant"        base_lr
        "polynomial"      end_lr + (base_lr - end_lr) * (1 - r) ** power
        "cosine"          end_lr + (base_lr - end_lr) * (1 + cos(pi * r)) / 2
        "inverse_sqrt"    base_lr * sqrt(max(1, warmup_steps) / (s + max(1, warmup_steps)))

    >>> from retrograd.optim.schedules import warmup_lr
    >>> [warmup_lr(s, 1.0, 2, 4, 0.5, "cosine") for s in range(3)], warmup_lr(8, 1.0, 2, decay="inverse_sqrt")
    ([0.5, 0.75, 1.0], 0.5)
    """
    if warmup_steps < 0:
        raise ValueError(f"warmup_lr: warmup_steps is {warmup_steps}; expected a number of steps, 0 or more")
    if decay not in ("constant", "polynomial", "cosine", "inverse_sqrt"):
        raise ValueError(f"warmup_lr: decay is {decay!r}; expected constant, polynomial, cosine or inverse_sqrt")
    ends = decay in ("polynomial", "cosine")
    if ends and (total_steps is None or total_steps <= warmup_steps):
        raise ValueError(
            f"warmup_lr: total_steps is {total_steps} with warmup_steps={warmup_steps}; decay={decay!r} needs a "
            "total_steps above warmup_steps"
        )
    if step < warmup_steps:
        return base_lr * (start_factor + (1.0 - start_factor) * (step / warmup_steps))
    since = step - warmup_steps
    if ends and total_steps is not None:
        passed = min(1.0, since / (total_steps - warmup_steps))
        if decay == "cosine":
            return anneal(base_lr, end_lr, passed)
        return end_lr + (base_lr - end_lr) * (1.0 - passed) ** power
    if decay == "inverse_sqrt":
        unit = max(1, warmup_steps)
        return base_lr * math.sqrt(unit / (since + unit))
    return base_lr
