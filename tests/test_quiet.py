"""As in PyTorch, infinity and NaN are values: no operation shows a warning of NumPy's, forward or backward."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings

import numpy as np
import optable as ot
import pytest

import retrograd as rg

SCRIPT = """
import warnings
import retrograd as rg
import retrograd.nn.functional as F

inf, nan = float("inf"), float("nan")
shown = []
warnings.showwarning = lambda message, category, filename, line, *rest: shown.append(f"{filename}:{line}: {message}")


def both(f, *values, dtype="float32"):
    xs = [rg.tensor(v, dtype=getattr(rg, dtype), requires_grad=True) for v in values]
    r = f(*xs)
    for o in r if isinstance(r, tuple) else (r,):
        if o.requires_grad:
            o.backward(rg.ones_like(o), retain_graph=True)
        repr(o)


huge = [3e38, 3e38, -3e38, inf, -inf]
for dtype in ("float16", "bfloat16", "float32", "float64"):
    big = [1e308, 1e308] if dtype == "float64" else [60000.0] * 3 if dtype == "float16" else [3e38, 3e38]
    for f in (rg.log, rg.log2, rg.log10, rg.sqrt, rg.rsqrt, rg.reciprocal, rg.log1p, rg.abs, rg.sgn, rg.tan, rg.atanh):
        both(f, [0.0, -1.0, -0.0, inf, nan, 1.0], dtype=dtype)
    for f in (rg.exp, rg.exp2, rg.expm1, rg.sinh, rg.cosh, rg.square, rg.sigmoid, rg.tanh, F.softplus, F.gelu, F.silu, F.elu):
        both(f, [1e4, -1e4, inf, -inf, nan], dtype=dtype)
    for f in (rg.sum, rg.mean, rg.prod, rg.var, rg.std, rg.norm, rg.nansum, rg.nanmean, rg.amax, rg.median):
        both(f, big, dtype=dtype)
        both(f, [inf, -inf, nan], dtype=dtype)
    for f in (rg.cumsum, rg.cumprod, rg.logsumexp, rg.softmax, rg.log_softmax, rg.logcumsumexp):
        both(lambda x: f(x, 0), big, dtype=dtype)
        both(lambda x: f(x, 0), [-inf, -inf], dtype=dtype)
        both(lambda x: f(x, 0), [inf, inf, nan], dtype=dtype)
    for f in (rg.div, rg.floor_divide, rg.remainder, rg.fmod, rg.pow, rg.atan2, rg.hypot, rg.mul, rg.sub, rg.maximum):
        both(f, [0.0, 1.0, inf, nan, 0.0, -1.0], [0.0, 0.0, inf, 1.0, -1.0, 0.5], dtype=dtype)
        both(f, [[1.0], [inf]], big, dtype=dtype)
    both(lambda x: x.var(), [], dtype=dtype)
    both(lambda x: x.std(), [1.0], dtype=dtype)
    both(lambda x: x.mean(), [], dtype=dtype)
    both(lambda x: x / 0, [0.0, 1.0], dtype=dtype)
    both(lambda x: 1 / x, [0.0, inf], dtype=dtype)
    both(lambda x: x * 1e30 * 1e30, [1.0, -1.0], dtype=dtype)
    both(lambda x: x @ x, big, dtype=dtype)
    both(lambda x: F.softmax(x, -1), [[-inf, -inf], [0.0, inf]], dtype=dtype)
    both(lambda x: F.layer_norm(x, (2,)), [[inf, 1.0], big[:2]], dtype=dtype)
    both(lambda x: F.cross_entropy(x, rg.tensor([0, 1])), [[-inf, 0.0], [inf, 1.0]], dtype=dtype)
    both(lambda x: F.normalize(x, dim=0), big, dtype=dtype)
    x = rg.tensor(big, dtype=getattr(rg, dtype))
    x.mul_(10.0).div_(0.0).log_()
    x.to(rg.float16), x.float().to(rg.int32), x.half().double()
    x += x
    rg.tensor([1, 2]) / 0

x = rg.tensor([1e300], dtype=rg.float64)
x.float(), rg.tensor([nan, inf]).long(), rg.tensor([300.0, -1.0]).to(rg.uint8), rg.tensor([complex(1e300, nan)]).cfloat()
rg.tensor([0j, complex(inf, nan)]).log().abs(), rg.tensor([127], dtype=rg.int8) + 1
w = rg.tensor([1.0, 2.0], requires_grad=True)
optimizer = rg.optim.Adam([w], lr=1e30)
for _ in range(3):
    optimizer.zero_grad()
    (w.exp().sum() * 1e30).backward()
    rg.nn.utils.clip_grad_norm_([w], 1.0)
    optimizer.step()
print("\\n".join(shown), end="")
"""


def test_a_script_with_default_filters_shows_nothing():
    r = subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert r.stdout == "" and r.stderr == "", r.stdout + r.stderr


# Singular values of matrices that hold infinities: NumPy's own linear algebra speaks, PyTorch raises.
LOUD = {"norm"}
VALUES = {
    "zeros": [0.0], "infinities": [np.inf, -np.inf], "overflow": [3e38, 3e38], "mixed": [3e38, 3e38, np.inf],
    "NaN": [np.nan], "underflow": [-3e38, 1e-40],
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_no_operation_warns_forward_or_backward(value):
    seen = set()
    for path in set(ot.SAMPLED) - LOUD:
        for s in ot.samples(path, "float32"):
            arrays = [a.copy() for _, a in s.drawn]
            for a in arrays:
                if a.dtype.kind == "f" and a.size:
                    a.reshape(-1)[:] = np.resize(VALUES[value], a.size)
            tensors = [rg.tensor(a, requires_grad=i in s.differentiable()) for i, a in enumerate(arrays)]
            with warnings.catch_warnings(record=True) as shown:
                warnings.simplefilter("always", RuntimeWarning)
                warnings.filterwarnings("ignore", ".* encountered in .*", RuntimeWarning, module=r"retrograd\.")
                try:
                    outs = [o for o in ot.tensors_of(s.run(tensors)) if o.requires_grad]
                    inputs = [t for t in tensors if t.requires_grad]
                    if outs and inputs:
                        rg.autograd.grad(outs, inputs, [rg.ones_like(o) for o in outs], allow_unused=True)
                except (RuntimeError, ValueError):  # refuses such values
                    pass
            seen |= {f"{path}: {w.message} at {w.filename}:{w.lineno}" for w in shown}
    assert not seen, "\n".join(sorted(seen))


def test_users_own_numpy_code_still_warns():
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", ".* encountered in .*", RuntimeWarning, module=r"retrograd\.")
        np.log(np.zeros(1))
        rg.log(rg.zeros(1))
    assert len(shown) == 1
