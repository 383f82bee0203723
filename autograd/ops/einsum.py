"""`einsum` and `tensordot`: sums of products over named dimensions.

One bilinear primitive contracts two operands by a transposition of each, one (batched) GEMM and a transposition of the
result; its two cotangents are contractions of the same kind. Everything else is brought to it: diagonals are taken,
dimensions that occur once are summed first, and more than two operands are contracted in pairs.
"""

from __future__ import annotations

import string
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import nary, public
from ..samples import call, raises, t
from .args import as_int, check_same_dtype, into, one_dim, pick
from .matmul import product, shape_of
from .shape import diagonal_p, expand_p, permute_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["contract_p", "einsum", "tensordot"]

Labels = tuple[int, ...]


# ---------------------------------------------------------------- the contraction of two operands
@lru_cache(maxsize=1024)
def _plan(lx: Labels, ly: Labels, lo: Labels) -> tuple[Labels, ...]:
    """Labels by role (batch, free of x, free of y, contracted), and the transpositions of x, y and the result."""
    batch = tuple(c for c in lo if c in lx and c in ly)
    free_x = tuple(c for c in lo if c in lx and c not in ly)
    free_y = tuple(c for c in lo if c in ly and c not in lx)
    inner = tuple(c for c in lx if c in ly and c not in lo)
    px = tuple(lx.index(c) for c in batch + free_x + inner)
    py = tuple(ly.index(c) for c in batch + inner + free_y)
    made = batch + free_x + free_y
    return batch, free_x, free_y, inner, px, py, tuple(made.index(c) for c in lo)


def _contract(xp: Any, xs: Any, lx: Labels, ly: Labels, lo: Labels) -> Any:
    x, y = xs
    batch, free_x, free_y, inner, px, py, po = _plan(lx, ly, lo)
    x, y = x.transpose(px), y.transpose(py)
    nb, nx, ny = len(batch), len(free_x), len(free_y)
    sb, sx, sy = x.shape[:nb], x.shape[nb : nb + nx], y.shape[y.ndim - ny :]
    if not inner:  # nothing is summed: a product with broadcasting
        r = x.reshape(sb + sx + (1,) * ny) * y.reshape(sb + (1,) * nx + sy)
        return r.transpose(po)
    k = prod(x.shape[nb + nx :])
    # (batch, rows, k) @ (batch, k, columns); without a batch the leading 1 is left away for one plain GEMM
    lead = (prod(sb),) if nb else ()
    r = product(xp, x.reshape(*lead, prod(sx), k), y.reshape(*lead, k, prod(sy)))
    return r.reshape(sb + sx + sy).transpose(po)


def _contract_vjp(g: Any, xs: Any, o: Any, needs: Any, lx: Labels, ly: Labels, lo: Labels) -> Any:
    x, y = xs
    return (
        contract_p((g, y), lo, ly, lx) if needs[0] else None,
        contract_p((g, x), lo, lx, ly) if needs[1] else None,
    )


contract_p: Any = nary(
    "contract",
    _contract,
    _contract_vjp,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The einsum of two operands with labels lx, ly into lo. No label repeats within an operand; each occurs twice.",
)


# ---------------------------------------------------------------- reading the equation
_LETTERS = string.ascii_letters
_ELLIPSIS = -1  # stands for the dimensions covered by '...' until they are counted


def _label(c: str, equation: str) -> int:
    i = _LETTERS.find(c)
    if i < 0:
        raise ValueError(
            f"einsum: {c!r} in {equation!r} is not a label; subscripts are letters [a-zA-Z], '...', ',' and '->'"
        )
    return i


def _subscripts(term: str, equation: str) -> Labels:
    """`i...j` as labels, with -1 for the ellipsis."""
    if term.count(".") not in (0, 3) or (("." in term) and "..." not in term):
        raise ValueError(f"einsum: '.' in {equation!r} is only allowed as one ellipsis '...' per operand")
    left, dots, right = term.partition("...")
    found = tuple(_label(c, equation) for c in left)
    return found + ((_ELLIPSIS,) if dots else ()) + tuple(_label(c, equation) for c in right)


@lru_cache(maxsize=256)
def _parse(equation: str) -> tuple[tuple[Labels, ...], Labels | None]:
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    if "->" in right:
        raise ValueError(f"einsum: {equation!r} has more than one '->'")
    terms = tuple(_subscripts(term, equation) for term in left.split(","))
    if "," in right:
        raise ValueError(f"einsum: the output of {equation!r} has a ','; one term is expected after '->'")
    return terms, _subscripts(right, equation) if arrow else None


def _sublist(labels: Any) -> Labels:
    """A sublist such as [0, 1, Ellipsis]."""
    if isinstance(labels, TensorBase) or not isinstance(labels, (list, tuple)):
        raise TypeError(f"einsum: a sublist of ints after each operand is expected, got {type(labels).__name__}")
    found = tuple(_ELLIPSIS if c is Ellipsis else as_int(c, "einsum", "a label") for c in labels)
    for c in found:
        if c != _ELLIPSIS and not 0 <= c < 52:
            raise ValueError(f"einsum: label {c} of a sublist is not in the range 0 to 51")
    if found.count(_ELLIPSIS) > 1:
        raise ValueError("einsum: a sublist may hold one Ellipsis")
    return found


def _name(c: int) -> str:
    return _LETTERS[c] if c < 52 else "..."


def _resolve(
    terms: tuple[Labels, ...], out: Labels | None, xs: list[Tensor]
) -> tuple[list[Labels], Labels, dict[int, int]]:
    """Labels with ellipses written out (52, 53, ...: the last covered dimension is the highest), and their sizes."""
    if len(terms) != len(xs):
        raise ValueError(f"einsum: the equation has {len(terms)} operand(s) but {len(xs)} tensor(s) are given")
    covered = [len(x._shape) - (len(s) - 1) if _ELLIPSIS in s else 0 for s, x in zip(terms, xs, strict=True)]
    widest = max(covered)
    full: list[Labels] = []
    sizes: dict[int, int] = {}
    for k, (s, x, n) in enumerate(zip(terms, xs, covered, strict=True)):
        shape = x._shape
        if n < 0 or (_ELLIPSIS not in s and len(s) != len(shape)):
            raise ShapeError(
                f"einsum: operand {k} has {len(shape)} dimension(s) (shape {shape}) but its subscripts name "
                f"{len(s) - (_ELLIPSIS in s)}"
            )
        dots = tuple(range(52 + widest - n, 52 + widest))
        at = s.index(_ELLIPSIS) if _ELLIPSIS in s else len(s)
        labels = s[:at] + dots + s[at + 1 :]
        for c, size in zip(labels, shape, strict=True):
            have = sizes.setdefault(c, size)
            if have == 1:
                sizes[c] = size
            elif size not in (1, have):
                raise ShapeError(
                    f"einsum: label {_name(c)!r} has size {size} in operand {k} but {have} before "
                    f"(shapes {', '.join(str(v._shape) for v in xs)})"
                )
        full.append(labels)
    dots = tuple(range(52, 52 + widest))
    if out is None:  # the labels that occur once, in PyTorch's order: ellipsis, then A-Z, then a-z
        flat = [c for labels in terms for c in labels if c != _ELLIPSIS]
        once = sorted((c for c in set(flat) if flat.count(c) == 1), key=lambda c: (c < 26, c))
        return full, dots + tuple(once), sizes
    for c in out:
        if c != _ELLIPSIS and (out.count(c) > 1 or c not in sizes):
            why = "appears twice in the output" if out.count(c) > 1 else "is in the output but in no operand"
            raise ValueError(f"einsum: label {_name(c)!r} {why}")
    at = out.index(_ELLIPSIS) if _ELLIPSIS in out else len(out)
    return full, out[:at] + (dots if _ELLIPSIS in out else ()) + out[at + 1 :], sizes


# ---------------------------------------------------------------- operands with one label per dimension
def _distinct(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """x with the diagonal taken wherever a label repeats."""
    while len(set(labels)) < len(labels):
        c = next(c for c in labels if labels.count(c) > 1)
        i = labels.index(c)
        j = labels.index(c, i + 1)
        n, m = x._shape[i], x._shape[j]
        if n != m:
            raise ShapeError(f"einsum: the repeated label {_name(c)!r} has sizes {n} and {m} within one operand")
        x = diagonal_p(x, 0, i, j)  # the diagonal becomes the last dimension
        labels = tuple(v for k, v in enumerate(labels) if k not in (i, j)) + (c,)
    return x, labels


def _prepare(x: Any, labels: Labels, sizes: dict[int, int], elsewhere: set[int]) -> tuple[Any, Labels]:
    """x without the dimensions that broadcast (size 1) and with those that occur nowhere else summed."""
    drop = tuple(i for i, c in enumerate(labels) if x._shape[i] == 1 != sizes[c] and c in elsewhere)
    if drop:
        x = reshape_p(x, tuple(n for i, n in enumerate(x._shape) if i not in drop))
        labels = tuple(c for i, c in enumerate(labels) if i not in drop)
    alone = tuple(i for i, c in enumerate(labels) if c not in elsewhere)
    if alone:
        x = sum_p(x, alone, False)
        labels = tuple(c for c in labels if c in elsewhere)
    return x, labels


def _pair(x: Any, lx: Labels, y: Any, ly: Labels, keep: set[int], sizes: dict[int, int]) -> tuple[Any, Labels]:
    """x and y contracted; labels of neither `keep` are summed."""
    x, lx = _prepare(x, lx, sizes, keep | set(ly))
    y, ly = _prepare(y, ly, sizes, keep | set(lx))
    x, lx = _prepare(x, lx, sizes, keep | set(ly))  # y may have lost a label that broadcast
    lo = tuple(c for c in lx if c in keep) + tuple(c for c in ly if c in keep and c not in lx)
    return contract_p((x, y), lx, ly, lo), lo


@lru_cache(maxsize=512)
def _path(labels: tuple[Labels, ...], out: Labels, sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The order of pairwise contractions, greedily by the size of the intermediate result, then by work."""
    size = dict(sizes)
    terms = [frozenset(s) for s in labels]
    path = []
    while len(terms) > 1:
        best: tuple[int, int, int, int] | None = None
        for i in range(len(terms)):
            for j in range(i + 1, len(terms)):
                rest = frozenset(out).union(*(s for k, s in enumerate(terms) if k not in (i, j)))
                both = terms[i] | terms[j]
                made = prod(size[c] for c in both & rest)
                gone = prod(size[c] for c in terms[i]) + prod(size[c] for c in terms[j])
                cost = (made - gone, prod(size[c] for c in both), i, j)
                if best is None or cost < best:
                    best = cost
        assert best is not None
        _, _, i, j = best
        rest = frozenset(out).union(*(s for k, s in enumerate(terms) if k not in (i, j)))
        path.append((i, j))
        terms = [s for k, s in enumerate(terms) if k not in (i, j)] + [(terms[i] | terms[j]) & rest]
    return tuple(path)


def _evaluate(xs: list[Any], labels: list[Labels], out: Labels, sizes: dict[int, int]) -> Any:
    """The contraction of any number of operands with distinct labels each."""
    for i, j in _path(tuple(labels), out, tuple(sizes.items())) if len(xs) > 1 else ():
        rest = set(out).union(*(s for k, s in enumerate(labels) if k not in (i, j)))
        made = _pair(xs[i], labels[i], xs[j], labels[j], rest, sizes)
        xs = [v for k, v in enumerate(xs) if k not in (i, j)] + [made[0]]
        labels = [s for k, s in enumerate(labels) if k not in (i, j)] + [made[1]]
    x, lx = _prepare(xs[0], labels[0], sizes, set(out))
    missing = tuple(c for c in out if c not in lx)  # dimensions that were of size 1 where they broadcast
    if missing:
        x = reshape_p(x, (*x._shape, *(1 for _ in missing)))
        lx = lx + missing
        x = expand_p(x, tuple(sizes[c] for c in lx))
    axes = tuple(lx.index(c) for c in out)
    return x if axes == tuple(range(len(axes))) else permute_p(x, axes)


# ---------------------------------------------------------------- public
@public(
    method=False,
    samples=lambda: [
        call("ij,jk->ik", t(2, 3), t(3, 4)),
        call("ij,jk", t(2, 3), t(3, 4)),
        call("bij,bjk->bik", t(4, 2, 3), t(4, 3, 2)),
        call("...ij,...jk->...ik", t(2, 1, 2, 3), t(4, 3, 2)),
        call("ii->i", t(3, 3)),
        call("ii", t(3, 3)),
        call("ij->ji", t(2, 3)),
        call("i...->...", t(2, 3, 2)),
        call("ij->", t(2, 3)),
        call("i,j->ij", t(2), t(3)),
        call("i,i->i", t(3), t(3)),
        call("i, i", t(3), t(3)),
        call("ij,jk,kl->il", t(2, 3), t(3, 4), t(4, 2)),
        call("bn,anm,bm->ba", t(2, 3), t(4, 3, 5), t(2, 5)),
        call("bhid,bhjd->bhij", t(2, 3, 4, 2), t(2, 3, 5, 2)),
        call("iij,jk->ik", t(3, 3, 2), t(2, 4)),
        call("ij,kl->jk", t(2, 3), t(4, 2)),
        call("ij,jk->ik", t(2, 1), t(3, 4)),
        call(t(2, 3), [0, 1], t(3, 4), [1, 2], [0, 2]),
        call(t(2, 3), [0, Ellipsis], [Ellipsis, 0]),
        call("ij,jk->ik", t(0, 3), t(3, 4)),
        call("i,j->ij", t(2, dtype="int64", low=0, high=5), t(3, dtype="int64", low=0, high=5)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"label 'j' has size 4 in operand 1 but 3 before", "ij,jk->ik", t(2, 3), t(4, 2)),
        raises(RuntimeError, r"operand 0 has 2 dimension\(s\)", "ijk->i", t(2, 3)),
        raises(RuntimeError, r"2 operand\(s\) but 1 tensor", "ij,jk->ik", t(2, 3)),
        raises(RuntimeError, r"'z' is in the output but in no operand", "ij->z", t(2, 3)),
        raises(RuntimeError, r"'1' in .* is not a label", "i1->i", t(2, 3)),
        raises(RuntimeError, r"'i' appears twice in the output", "ij->ii", t(2, 3)),
    ],
    ref=lambda *a: __import__("numpy").einsum(*a),
)
def einsum(*args: Any) -> Tensor:
    """The sum of products that an equation describes: `einsum("bij,bjk->bik", x, y)`.

    Each letter names a dimension; letters missing after `->` are summed. Without `->` the output has the letters that
    occur once, in alphabetical order. `...` covers the remaining dimensions, which broadcast. A letter twice in one
    operand takes the diagonal. Also `einsum(x, [0, 1], y, [1, 2], [0, 2])` with sublists. More than two operands are
    contracted in pairs, cheapest first. `RuntimeError` (`ShapeError`) if sizes or subscripts do not fit.

    >>> import retrograd as rg
    >>> rg.einsum("ij,kj->ik", rg.eye(2), rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 3.],
            [2., 4.]])
    """
    try:
        xs, full, out, sizes = _read(args)
    except ValueError as e:
        raise (e if isinstance(e, RuntimeError) else _EquationError(str(e))) from None
    ready = [_distinct(x, s) for x, s in zip(xs, full, strict=True)]
    return _evaluate([x for x, _ in ready], [s for _, s in ready], out, sizes)


class _EquationError(ValueError, RuntimeError):
    """A malformed equation; PyTorch raises RuntimeError here."""


def _read(args: tuple[Any, ...]) -> tuple[list[Tensor], list[Labels], Labels, dict[int, int]]:
    """The operands, their labels, the output's labels and the sizes, from either form of call."""
    if not args:
        raise ValueError("einsum: an equation and at least one tensor are expected")
    terms: tuple[Labels, ...]
    out: Labels | None
    if isinstance(args[0], str):
        terms, out = _parse(args[0])
        given = args[1:]
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            given = tuple(given[0])
    else:
        n = len(args) // 2 * 2
        given = args[0:n:2]
        terms = tuple(_sublist(s) for s in args[1:n:2])
        out = _sublist(args[-1]) if len(args) % 2 else None
    xs = [as_tensor_arg(x, "einsum") for x in given]
    if not xs:
        raise ValueError("einsum: at least one tensor is expected")
    check_same_dtype(xs, "einsum", [f"operand {i}" for i in range(len(xs))])
    if xs[0]._dtype.kind == "b" and len(xs) > 1:
        raise DtypeError("einsum: operands are bool; cast them, as in x.int() or x.float()")
    return xs, *_resolve(terms, out, xs)


def _sum_pairs(x: Tensor, y: Tensor, dims: Any) -> tuple[Labels, Labels]:
    """The dimensions of x and of y that tensordot sums together."""
    nx, ny = len(x._shape), len(y._shape)
    if isinstance(dims, TensorBase):
        dims = dims.tolist()  # type: ignore[attr-defined]
    if isinstance(dims, (list, tuple)):
        if len(dims) != 2:
            raise ValueError(f"tensordot: dims must be an int or two lists of dimensions, got {len(dims)} entries")
        dx, dy = ([v] if isinstance(v, int) else list(v) for v in dims)
    else:
        n = as_int(dims, "tensordot", "dims")
        if not 0 <= n <= min(nx, ny):
            raise ShapeError(f"tensordot: dims is {n}; 0 to {min(nx, ny)} are possible for {x._shape} and {y._shape}")
        dx, dy = list(range(nx - n, nx)), list(range(n))
    if len(dx) != len(dy):
        raise ShapeError(f"tensordot: {len(dx)} dimensions of x are paired with {len(dy)} of y")
    return tuple(one_dim(d, nx, "tensordot") for d in dx), tuple(one_dim(d, ny, "tensordot") for d in dy)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, 4), t(3, 4, 2)),
        call(t(2, 3), t(3, 4), dims=1),
        call(t(2, 3), t(4), dims=0),
        call(t(2, 3, 4), t(4, 2, 5), dims=([0, -1], [1, 0])),
        call(t(2, 3), t(2, 3), dims=2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"sizes 3 and 4", t(2, 3), t(4, 5), dims=1),
        raises(RuntimeError, r"dims is 3", t(2, 3), t(3, 4), dims=3),
        raises(IndexError, r"dim 7", t(2, 3), t(3, 4), dims=([7], [0])),
    ],
    ref=lambda x, y, dims=2: __import__("numpy").tensordot(x, y, dims),
)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None, *, axes: Any = None) -> Tensor:
    """The sum of products over pairs of dimensions of a and b; the other dimensions follow in order.

    dims (or axes, as NumPy and opt_einsum call it): how many of a's last and b's first dimensions are summed, or two lists
    of dimensions.

    >>> import retrograd as rg
    >>> rg.tensordot(rg.ones(2, 3), rg.ones(3, 4), dims=1).shape
    retrograd.Size([2, 4])
    """
    x, y = as_tensor_arg(a, "tensordot"), as_tensor_arg(b, "tensordot")
    check_same_dtype((x, y), "tensordot", ("a", "b"))
    dx, dy = _sum_pairs(x, y, pick(dims, axes, "tensordot", "dims", "axes", default=2))
    for i, j in zip(dx, dy, strict=True):
        n, m = x._shape[i], y._shape[j]
        if n != m and 1 not in (n, m):
            raise ShapeError(
                f"tensordot: dimension {i} of a and dimension {j} of b have sizes {n} and {m} "
                f"(shapes {x._shape} and {y._shape})"
            )
    nx = len(x._shape)
    lx = tuple(range(nx))
    ly = tuple(dx[dy.index(j)] if j in dy else nx + j for j in range(len(y._shape)))
    lo = tuple(c for c in lx if c not in dx) + tuple(c for c in ly if c >= nx)
    sizes = dict(zip(lx + ly, shape_of(x) + shape_of(y), strict=True))
    sizes.update({i: max(x._shape[i], y._shape[j]) for i, j in zip(dx, dy, strict=True)})
    r = _evaluate([x, y], [lx, ly], lo, sizes)
    return into(out, cast(r, x._dtype), "tensordot")  # a dimension of size 1 is summed, which widens integers
