"""Line search: a step length along a direction at which the strong Wolfe conditions hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["cubic_interpolate", "strong_wolfe"]


def cubic_interpolate(
    x1: float, f1: float, g1: float, x2: float, f2: float, g2: float, bounds: tuple[float, float] | None = None
) -> float:
    """Where the cubic through two points with values f and slopes g is least, kept within bounds (else within x1, x2).

    >>> from retrograd.optim.line_search import cubic_interpolate
    >>> cubic_interpolate(0.0, 1.0, -2.0, 3.0, 4.0, 4.0)  # (x - 1)^2
    1.0
    """
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    if x1 > x2:
        x1, g1, x2, g2 = x2, g2, x1, g1
    width = g2 - g1 + 2 * d2
    if not width:  # a straight line is least nowhere
        return (low + high) / 2.0
    at = x2 - (x2 - x1) * ((g2 + d2 - d1) / width)
    return min(max(at, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any, float]],
    t: float,
    f: float,
    g: Any,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    smallest: float = 1e-9,
    max_ls: int = 25,
) -> tuple[float, Any, float, int]:
    """(loss, gradient, step length, evaluations) of a step that satisfies the strong Wolfe conditions

        f(t) <= f(0) + c1 t f'(0),      |f'(t)| <= -c2 f'(0)

    or of the best one found. evaluate(t): (loss, gradient, slope) at step length t; t: the first trial; f, g, slope:
    loss, gradient and slope at 0. A bracket is found by extrapolation and narrowed by cubic interpolation, until it is
    shorter than `smallest` or after max_ls evaluations. Nocedal and Wright, "Numerical optimization" (2006), section 3.5,
    in the form of minFunc and of PyTorch's LBFGS.

    >>> from retrograd.optim.line_search import strong_wolfe
    >>> strong_wolfe(lambda t: ((t - 2) ** 2, None, 2 * (t - 2)), 1.0, 4.0, None, -4.0, c2=0.1)
    (0.0, None, 2.0, 2)
    """
    f_new, g_new, slope_new = evaluate(t)
    evaluations = 1
    t_prev, f_prev, g_prev, slope_prev = 0.0, f, g, slope
    bracket: list[tuple[float, float, Any, float]] = []  # of (step, loss, gradient, slope)
    done = False
    count = 0
    while count < max_ls:
        new = (t, f_new, g_new, slope_new)
        rises = f_new > f + c1 * t * slope or (count > 1 and f_new >= f_prev)
        if not rises and abs(slope_new) <= -c2 * slope:
            bracket, done = [new], True
            break
        if rises or slope_new >= 0:
            bracket = [(t_prev, f_prev, g_prev, slope_prev), new]
            break
        bounds = (t + 0.01 * (t - t_prev), t * 10)
        t_prev, t = t, cubic_interpolate(t_prev, f_prev, slope_prev, t, f_new, slope_new, bounds)
        f_prev, g_prev, slope_prev = f_new, g_new, slope_new
        f_new, g_new, slope_new = evaluate(t)
        evaluations += 1
        count += 1
    if count >= max_ls:
        bracket = [(0.0, f, g, slope), (t, f_new, g_new, slope_new)]

    low, high = (0, 1) if bracket[0][1] <= bracket[-1][1] else (1, 0)
    stuck = False
    while not done and count < max_ls:
        first, last = sorted((bracket[0][0], bracket[1][0]))
        if last - first < smallest:
            break
        t = cubic_interpolate(*_point(bracket[0]), *_point(bracket[1]))
        # Near an end of the bracket progress is slow: the second time, or at an end itself, go a tenth of it inside.
        margin = 0.1 * (last - first)
        if min(last - t, t - first) < margin:
            if stuck or t >= last or t <= first:
                t = last - margin if abs(t - last) < abs(t - first) else first + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new, slope_new = evaluate(t)
        evaluations += 1
        count += 1
        new = (t, f_new, g_new, slope_new)
        if f_new > f + c1 * t * slope or f_new >= bracket[low][1]:
            bracket[high] = new
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if abs(slope_new) <= -c2 * slope:
                done = True
            elif slope_new * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    t, f_new, g_new, _ = bracket[low]
    return f_new, g_new, t, evaluations


def _point(end: tuple[float, float, Any, float]) -> tuple[float, float, float]:
    return end[0], end[1], end[3]
