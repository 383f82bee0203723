"""The Tensor class against PyTorch's: properties, conversions, protocols, Parameter, Size; and what is ours alone."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

# Statements (";;" between them) and an expression, in which L is the library, x a float tensor (2, 3), a an integer
# tensor (3, 4) and w a leaf that requires grad. Results must be equal, or both raise, ours a class of PyTorch's.
SAME = [
    "tuple(x.shape)",
    "x.size()",
    "x.size(0)",
    "x.size(-1)",
    "x.size(5)",
    "x.ndim",
    "x.dim()",
    "x.numel()",
    "x.nelement()",
    "x.stride()",
    "x.t().stride()",
    "x.t().stride(0)",
    "x[:,1:].storage_offset()",
    "x[1].storage_offset()",
    "x.t().is_contiguous()",
    "x[:,::2].stride()",
    "x.expand(4,2,3).stride()",
    "x.element_size()",
    "x.itemsize",
    "x.nbytes",
    "a.element_size()",
    "x.data_ptr()==x.view(-1).data_ptr()",
    "x.data_ptr()==x[1:].data_ptr()",
    "x.data_ptr()==x.clone().data_ptr()",
    "x[1].data_ptr()-x.data_ptr()",
    "x.is_floating_point()",
    "a.is_floating_point()",
    "x.is_complex()",
    "a.is_signed()",
    "x.get_device()",
    "x.is_cuda",
    "str(x.device)",
    "x.device.type",
    'x.device==L.device("cpu")',
    'x.device=="cpu"',
    "x.T.shape",
    "x.mT.shape",
    "x.H.shape",
    "L.tensor(1.).T.shape",
    "x.shape.numel()",
    "x.shape[0]",
    "x.shape[-1]",
    "x.shape==(2,3)",
    "x.shape==L.Size([2,3])",
    "L.Size([2,3])+(1,)",
    "type(L.Size([2,3])+(1,)).__name__",
    "type(x.shape[:1]).__name__",
    "list(x.shape)",
    "L.Size((2,3))*2",
    "x.to(L.float64).dtype",
    'x.to("cpu") is x',
    'x.to(L.device("cpu")).dtype',
    'x.to("cpu",L.float64).dtype',
    'x.to(device="cpu",dtype=L.int64).dtype',
    "x.to(a).dtype",
    "x.to(L.float32) is x",
    "x.to(L.float32,copy=True) is x",
    "x.to(L.float64,non_blocking=True).dtype",
    "x.to(L.float64,True).dtype",
    "x.to(L.float64,False,True).dtype",
    'x.to("cpu",L.float64,True,True).dtype',
    "x.to(None,L.float64).dtype",
    "x.to() is x",
    'x.to("nonsense")',
    "x.dim()",
    "x.to(dtype=None) is x",
    "x.to(memory_format=L.contiguous_format) is x",
    "x.type(L.float64).dtype",
    'x.type("torch.DoubleTensor").dtype',
    'x.type("torch.LongTensor").dtype',
    "x.type(dtype=L.int32).dtype",
    "x.type_as(a).dtype",
    "x.float().dtype",
    "x.double().dtype",
    "x.half().dtype",
    "x.long().dtype",
    "x.int().dtype",
    "x.short().dtype",
    "x.char().dtype",
    "x.byte().dtype",
    "x.bool().dtype",
    "x.cfloat().dtype",
    "x.cdouble().dtype",
    "x.float() is x",
    "w.double().requires_grad",
    "w.long().requires_grad",
    "w.is_leaf",
    "(w*2).is_leaf",
    "(w*2).requires_grad",
    "x.requires_grad_() is x",
    "x.requires_grad_(True).requires_grad",
    "x.requires_grad_(False).requires_grad",
    "a.requires_grad_()",
    "x.requires_grad=True;;x.requires_grad",
    "y=w*2;;y.requires_grad_(False)",
    "y=w*2;;y.requires_grad_(True).requires_grad",
    'y=w*2;;setattr(y,"requires_grad",False)',
    "w.requires_grad_(False).requires_grad",
    "a.requires_grad=False;;a.requires_grad",
    "L.tensor([1],requires_grad=True)",
    "w.detach().requires_grad",
    "w.detach() is w",
    "y=w.detach();;y[0]=5;;w.tolist()",
    "w.clone().requires_grad",
    "w.data.requires_grad",
    "y=w.data;;y[0]=7;;w.tolist()",
    "w.data=L.zeros(3);;w.shape",
    "w.data=5",
    "w.data=L.zeros(2,dtype=L.int64)",
    "(w*2).detach_().requires_grad",
    "w.detach_().requires_grad",
    "x.view(-1).detach_()",
    "x.item()",
    "L.tensor([[2.5]]).item()",
    "L.tensor(2).item()",
    "type(L.tensor(2).item()).__name__",
    "type(L.tensor(True).item()).__name__",
    "L.tensor([]).item()",
    "L.tensor(1j).item()",
    "x.tolist()",
    "L.tensor(1.5).tolist()",
    "L.tensor([]).tolist()",
    "L.zeros(2,0).tolist()",
    "L.tensor([True]).tolist()",
    "w.tolist()",
    "w.detach().numpy().tolist()",
    "x.numpy().dtype.name",
    "L.tensor([1j]).numpy().dtype.name",
    "bool(x)",
    "bool(L.tensor([]))",
    "bool(L.tensor(0.))",
    "bool(L.tensor([[3]]))",
    'bool(L.tensor([float("nan")]))',
    "int(L.tensor([2.7]))",
    "int(x)",
    "float(L.tensor([[2]]))",
    "float(L.tensor(1j))",
    "complex(L.tensor(1.))",
    "complex(L.tensor(1j))",
    "[1,2,3][L.tensor(1)]",
    "[1,2,3][L.tensor([1])]",
    "[1,2,3][L.tensor(1.)]",
    "[1,2,3][L.tensor(True)]",
    "range(L.tensor(3))",
    "len(x)",
    "len(L.tensor(1))",
    "[t.tolist() for t in x]",
    "list(L.tensor(1))",
    "[float(v) for v in L.tensor([1.,2.])]",
    "1. in x",
    "9. in x",
    "L.tensor(1.) in x",
    "L.tensor([1.,9.,9.]) in x",
    '"a" in x',
    "None in x",
    "sum(x).tolist()",
    "max(L.tensor([1,3,2])).item()",
    "sorted(L.tensor([3,1,2])) == [1,2,3]",
    "L.Tensor(2,3).shape",
    "L.Tensor([1,2]).dtype",
    "L.Tensor([1,2]).tolist()",
    "L.Tensor(L.Size([2,2])).shape",
    "L.Tensor().shape",
    "L.Tensor(x).tolist()",
    "L.Tensor(a)",
    "L.Tensor((2,3)).tolist()",
    "L.Tensor(3).shape",
    "L.Tensor(2.5)",
    "L.Tensor([[1],[2]]).shape",
    "L.Tensor(np.zeros(3)).dtype",
    'L.Tensor("abc")',
    "isinstance(L.nn.Parameter(x),L.Tensor)",
    "isinstance(L.nn.Parameter(x),L.nn.Parameter)",
    "isinstance(x,L.nn.Parameter)",
    "L.nn.Parameter(x).requires_grad",
    "L.nn.Parameter(x,requires_grad=False).requires_grad",
    "L.nn.Parameter(a)",
    "L.nn.Parameter(a,requires_grad=False).dtype",
    "L.nn.Parameter(x).is_leaf",
    "type(L.nn.Parameter(x)+1).__name__",
    "type(L.nn.Parameter(x).data).__name__",
    "type(L.nn.Parameter(x).detach()).__name__",
    "type(L.nn.Parameter(x).clone()).__name__",
    "type(copy.deepcopy(L.nn.Parameter(x))).__name__",
    "copy.deepcopy(L.nn.Parameter(x,requires_grad=False)).requires_grad",
    "p=L.nn.Parameter(x);;p.data_ptr()==x.data_ptr()",
    "L.nn.Parameter().shape",
    "type(pickle.loads(pickle.dumps(L.nn.Parameter(x)))).__name__",
    "pickle.loads(pickle.dumps(w)).requires_grad",
    "pickle.loads(pickle.dumps(x)).tolist()",
    "pickle.loads(pickle.dumps(x.t())).tolist()",
    "copy.deepcopy(w).requires_grad",
    "copy.deepcopy(w*2)",
    "y=copy.deepcopy(w);;y.data[0]=9;;w.tolist()",
    "copy.copy(x).data_ptr()==x.data_ptr()",
    "(w*2).sum().backward();;copy.deepcopy(w).grad.tolist()",
    'd={"a":x,"b":x};;e=copy.deepcopy(d);;e["a"] is e["b"]',
    "weakref.ref(x)() is x",
    "hash(x)==hash(x)",
    "{x:1}[x]",
    "x in {x:1}",
    "x==None",
    "x!=None",
    "x is None",
    'x=="a"',
    "x.foo=1;;x.foo",
    "x.foo=1;;copy.deepcopy(x).foo",
    "x.foo=1;;copy.copy(x).foo",
    "x.nope",
    "w.grad",
    "w.grad=L.ones(2);;w.grad.tolist()",
    "w.grad=L.ones(3)",
    "w.grad=5",
    "w.grad=None;;w.grad",
    "w.grad=L.ones(2,dtype=L.float64)",
    "w.grad=w",
    "del w.grad;;w.grad",
    "x.grad",
    "y=w*2;;y.retain_grad();;y.sum().backward();;y.grad.tolist()",
    "y=w*2;;y.retains_grad",
    "y=w*2;;y.retain_grad();;y.retains_grad",
    "w.retain_grad();;w.retains_grad",
    "x.retain_grad()",
    "x.backward()",
    "w.backward()",
    "w.sum().backward();;w.grad.tolist()",
    "(w*2).backward(L.ones(2));;w.grad.tolist()",
    "(w*2).backward(L.ones(3))",
    "w.sum().backward(inputs=[])",
    "w.grad_fn",
    "(w*2).grad_fn.name()",
    "w._version",
    "x.add_(1);;x._version",
    "x.is_set_to(x)",
    "x.is_set_to(x.view(2,3))",
    "x.is_set_to(x.clone())",
    "x.is_same_size(a)",
    "x.layout==L.strided",
    "x.is_sparse",
    "x.is_quantized",
    "x.is_meta",
    "x.is_leaf",
    "x.contiguous() is x",
    "x.t().contiguous().stride()",
    "x.view(3,2).tolist()",
    "x.view(L.int32).dtype",
    "x.double().view(L.int64).dtype",
    "x.view(5)",
    "x.t().view(6)",
    "x.reshape(-1,2).shape",
    "x.reshape((3,2)).shape",
    "x.new_zeros(2).dtype",
    "x.new_tensor([1]).dtype",
    "x.new_full((2,),3).dtype",
    "a.new_ones(2).dtype",
    "a.new_empty((2,2)).shape",
    "x.new_zeros((2,),dtype=L.int64).dtype",
    'f"{L.tensor(1.5):.2f}"',
    'f"{L.tensor(3)}"',
    'f"{x:.2f}"',
    '"%d"%L.tensor(3)',
    '"%.1f"%L.tensor(2.5)',
    "str(L.tensor(1))",
    "round(L.tensor(2.567),ndigits=1)",
    "abs(L.tensor([-1])).tolist()",
    "-x[0,1]",
    "divmod(L.tensor(7),2)",
    "L.tensor(7).__floordiv__(2).item()",
    "x@x.t()",
    "x.__matmul__(x.t()).shape",
    "x.cpu() is x",
    "x.pin_memory",
    "x.share_memory_",
    "x.apply_(lambda v:v*2).tolist()",
    "x.index_add",
    "x.is_pinned()",
    "x.is_shared()",
    "x.is_conj()",
    "x.resolve_conj() is x",
    "x.resolve_neg() is x",
    "x.is_inference()",
    "x.names",
    "x.ndimension()",
    "x.swapdims",
    "x.real is x",
    "x.imag",
    "L.tensor([1j]).imag.tolist()",
    "x.chunk(2)[0].shape",
    "L.is_tensor(x)",
    "L.is_tensor(1)",
    "L.numel(x)",
    "L.is_nonzero(L.tensor(1))",
    "L.is_nonzero(x)",
    "L.is_floating_point(x)",
    "L.get_default_dtype()",
    "x.masked_fill_(x>2,0).tolist()",
    "x.where(x>2,0).tolist()",
    "x.fill_(2).tolist()",
    "x.zero_().tolist()",
    "x.copy_(L.ones(3)).tolist()",
    "x.copy_(L.ones(5))",
    "x.resize_(3,2).shape",
    "x.unsqueeze_(0).shape",
    "x.squeeze_().shape",
    "x.t_().shape",
    "x.transpose_(0,1).shape",
    "x.swapaxes_(0,1).shape",
    "x.requires_grad_().add_(1)",
    "w.add_(1)",
    "w[0]=1",
    "w.view(-1).add_(1)",
    "y=w*1;;y.add_(1);;y.sum().backward();;w.grad.tolist()",
    "y=w.exp();;y.add_(1);;y.sum().backward()",
    "np.asarray(x).tolist()",
    "np.array([L.tensor(1.),L.tensor(2.)]).tolist()",
    "L.tensor([L.tensor(1.),L.tensor(2.)]).tolist()",
    "L.tensor(x).tolist()",
    'x.numpy().__array_interface__["data"][0]==x.data_ptr()',
    "L.from_numpy(np.ones(2))[0].item()",
    "L.from_numpy([1])",
    "L.as_tensor(x) is x",
    "L.as_tensor(x,dtype=L.float64).dtype",
    "L.asarray(x) is x",
    "L.tensor([1,2.]).dtype",
    "L.tensor([True,2]).dtype",
    "L.tensor([1,2j]).dtype",
    "L.tensor([[1,2],[3]])",
    'L.tensor("a")',
    "L.tensor([None])",
    "L.tensor(np.float64(1)).dtype",
    'L.tensor(np.ones(2,dtype="f4")).dtype',
    "L.tensor([np.float64(1)]).dtype",
    'L.tensor(np.array(["a"]))',
    "L.tensor([]).dtype",
    "x.to_dense() is x",
    "x.cumsum(0).tolist()",
    "x.sub(1,alpha=2).tolist()",
    "x.addmm",
    "x.float_power(2).dtype",
    "x.expand_as(x).shape",
    "x.index_put((L.tensor([0]),),L.tensor(1.)).tolist()",
    "x.argwhere().shape",
    "x.nonzero(as_tuple=True)[0].tolist()",
    "x.sum_to_size(1,3).tolist()",
    "x.bernoulli",
    "x.clip(1,2).tolist()",
    "x.swapaxes(0,1).shape",
    "x.square_().tolist()",
    "x.nelement()",
    "x.msort().tolist()",
    "x.unflatten(1,(3,1)).shape",
    "x.__len__()",
    "x.ravel().shape",
    "x.logical_not_().tolist()",
    "x.diff().tolist()",
    "x.isin",
    "x.log_().shape",
    "x.cdist",
    "x.float_power_",
    "x.trapezoid",
    "x.cummax(0)[0].tolist()",
    "x.true_divide_(2).tolist()",
    "x.lerp(x,.5).tolist()",
    "x.clamp_(1,2).tolist()",
    "x.positive().tolist()",
    "x.movedim(0,1).shape",
    "x.nansum().item()",
    "x.aminmax()[0].item()",
    "x.std(0,True).tolist()",
    "x.var(unbiased=False).item()",
    "x.norm(2).item()",
    "x.norm(p=1,dim=0).tolist()",
    "x.max(0)[1].tolist()",
    "x.max(0).values.tolist()",
    "x.sort(descending=True).indices.tolist()",
    "x.topk(2).values.tolist()",]  # fmt: skip


def outcome(lib, source):
    names = {
        "L": lib, "np": np, "copy": copy, "pickle": pickle, "weakref": weakref,
        "x": lib.arange(6.0).reshape(2, 3), "a": lib.arange(12).reshape(3, 4),
        "w": lib.tensor([1.0, 2.0], requires_grad=True),
    }  # fmt: skip
    *lines, last = source.split(";;")
    try:
        for line in lines:
            exec(line, names)
        return plain(eval(last, names))
    except Exception as e:
        return e


def plain(r):
    """A result in words that both libraries share."""
    if hasattr(r, "tolist") and hasattr(r, "dtype"):
        return f"{str(r.dtype).rpartition('.')[2]} {tuple(r.shape)} {r.tolist()}"
    if isinstance(r, (tuple, list)):
        return type(r)(plain(v) for v in r) if type(r) in (tuple, list) else tuple(plain(v) for v in r)
    return str(r).rpartition(".")[2] if type(r).__name__ == "dtype" else "callable" if callable(r) else r


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("source", SAME)
def test_same_as_in_pytorch(source):
    ours, theirs = outcome(rg, source), outcome(torch, source)
    if isinstance(theirs, Exception):
        expected = (RuntimeError, ValueError) if type(theirs) is ValueError else type(theirs)
        assert isinstance(ours, expected), f"{ours!r}, PyTorch raises {theirs!r}"
    else:
        assert repr(ours) == repr(theirs)


# ---------------------------------------------------------------- deliberately another
def test_numpy_of_a_tensor_that_requires_grad_is_read_only():
    w = rg.ones(2, requires_grad=True)
    a = w.numpy()
    assert a.tolist() == [1, 1] and np.asarray(w).ctypes.data == w.data_ptr()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5


def test_lists_of_tensors_are_stacked():
    x = rg.ones(2, 3)
    assert rg.tensor([x[0], x[1]]).shape == (2, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8", "uint8", "bool", "complex64"])
def test_type_names(dtype):
    ours, theirs = rg.ones(1, dtype=getattr(rg, dtype)), torch.ones(1, dtype=getattr(torch, dtype))
    assert ours.type() == theirs.type().replace("torch.", "retrograd.") == rg.typename(ours)
    assert ours.float().type(theirs.type()).dtype is ours.dtype
    assert rg.typename(3) == "int" and rg.typename(rg.device("cpu")).startswith("retrograd.")


# ---------------------------------------------------------------- memory
def test_views_share_memory_and_copies_do_not():
    x = rg.arange(6.0).reshape(2, 3)
    for v in (x[0], x.t(), x.view(-1), x.detach(), x.data, x[:, ::2], x.expand(4, 2, 3), x.to(rg.float32), x.cpu()):
        assert np.shares_memory(v.numpy(), x.numpy())
    for v in (x.clone(), x.to(rg.float32, copy=True), x.double(), x.t().contiguous(), copy.deepcopy(x), rg.tensor(x)):
        assert not np.shares_memory(v.numpy(), x.numpy())


def test_negative_steps_are_views():
    x = rg.arange(4.0)
    x[::-1][0] = 9
    assert x.tolist() == [0, 1, 2, 9] and x[::-1].stride() == (-1,)


# ---------------------------------------------------------------- identity, attributes, copies
def test_a_tensor_dies_with_its_last_reference():
    gc.disable()
    try:
        x = rg.ones(2, requires_grad=True)
        y = (x * 2).exp()
        y.sum().backward()
        x.note = "kept"
        refs = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [r() for r in refs] == [None, None]
    finally:
        gc.enable()


def test_hash_is_by_identity_and_equality_by_element():
    x, y = rg.ones(2), rg.ones(2)
    assert hash(x) == hash(x) and len({x, y}) == 2 and {x: 1}[x] == 1
    assert (x == y).all() and (x == None) is False and x != "a" and (x == [1, 1]) is False  # noqa: E711


def test_deepcopy_keeps_attributes_gradients_and_shared_memory_apart():
    x = rg.ones(2, requires_grad=True)
    x.tags = ["a"]
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.tags == ["a"] and y.tags is not x.tags and y.grad.tolist() == [3, 3]
    y.data[0], y.grad[0] = 7, 7
    assert x.tolist() == [1, 1] and x.grad.tolist() == [3, 3]
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]
    with pytest.raises(RuntimeError, match=r"deepcopy: only leaves.*made by mul at test_tensor\.py"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    p = rg.nn.Parameter(rg.arange(6.0).reshape(2, 3).t())
    p.note = "n"
    q = pickle.loads(pickle.dumps(p, protocol))
    assert type(q) is rg.nn.Parameter and q.requires_grad and q.note == "n" and q.tolist() == p.tolist()
    assert pickle.loads(pickle.dumps(rg.tensor(3), protocol)).item() == 3
    assert pickle.loads(pickle.dumps(rg.zeros(0, 2), protocol)).shape == (0, 2)
    with pytest.raises(RuntimeError, match="pickle: only leaves"):
        pickle.dumps(p * 2, protocol)


# ---------------------------------------------------------------- subclasses
class Angle(rg.Tensor):
    """What a user may write."""

    def degrees(self):
        return self * (180 / np.pi)


def test_a_users_subclass_works_in_operations():
    a = Angle([0.0, np.pi])
    assert type(a) is Angle and isinstance(a, rg.Tensor) and rg.is_tensor(a)
    assert a.degrees().tolist() == pytest.approx([0, 180])
    a.requires_grad_()
    r = rg.stack([a, rg.ones(2)]).sin() @ a
    r.sum().backward()
    assert a.grad is not None and a.grad.shape == (2,)
    a.unit = "rad"
    assert type(copy.deepcopy(a)) is Angle and copy.deepcopy(a).unit == "rad"
    assert type(pickle.loads(pickle.dumps(a.data))) is rg.Tensor
    with rg.no_grad():
        a += 1
    assert type(a) is Angle


class Bound(rg.nn.Parameter):
    def __new__(cls, data, limit):
        self = super().__new__(cls, data)
        self.limit = limit
        return self


def test_a_subclass_of_parameter_is_registered():
    m = rg.nn.Module()
    m.weight = Bound(rg.ones(2), limit=3)
    assert dict(m.named_parameters())["weight"].limit == 3
    assert copy.deepcopy(m).weight.limit == 3


# ---------------------------------------------------------------- Parameter
def test_parameter():
    p = rg.nn.Parameter(rg.tensor([1.0]))
    assert repr(p) == repr(torch.nn.Parameter(torch.tensor([1.0])))
    assert p.is_leaf and p.requires_grad and p.grad is None and p.grad_fn is None
    assert type(p * 2) is rg.Tensor and type(p.data) is rg.Tensor
    with pytest.raises(RuntimeError, match="only floating-point and complex tensors can require gradients"):
        rg.nn.Parameter(rg.tensor([1]))
    assert rg.nn.Parameter(rg.tensor([1]), requires_grad=False).dtype is rg.int64
    q = rg.nn.Parameter(p)
    assert q is not p and q.data_ptr() == p.data_ptr()
    q.data = rg.zeros(3)
    assert q.shape == (3,) and p.shape == (1,)


# ---------------------------------------------------------------- Size
def test_size():
    s = rg.ones(2, 3).shape
    assert isinstance(s, tuple) and s == (2, 3) and s.numel() == 6 and s[-1] == 3
    assert repr(s) == "retrograd.Size([2, 3])" and type(s[:1]) is type(s + (1,)) is rg.Size
    assert rg.zeros(s).shape == rg.ones(*s).shape == s and hash(s) == hash((2, 3))
    assert pickle.loads(pickle.dumps(s)) == s and copy.deepcopy(s) == s
    a, b = s
    assert (a, b) == (2, 3) and rg.Size([4]).numel() == 4 and rg.Size([]).numel() == 1


# ---------------------------------------------------------------- errors name what was given and the way out
@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: x.item(), ValueError, r"item: a tensor with 2 elements.*shape \(2,\)"),
        (lambda x: bool(x), RuntimeError, r"truth value of a tensor with 2 elements is ambiguous; use \.any\(\)"),
        (lambda x: len(x[0]), TypeError, "0-d tensor has no length"),
        (lambda x: iter(x[0]), TypeError, r"cannot be iterated over; use item\(\)"),
        (lambda x: [1, 2][x[0]], TypeError, "only integer tensors of one element can be an index"),
        (lambda x: x.to(3.5), TypeError, "expected a dtype"),
        (lambda x: x.to(rg.float32, nonsense=1), TypeError, "unknown argument 'nonsense'"),
        (lambda x: x.long().requires_grad_(), RuntimeError, r"this one is int64; convert it with \.float\(\)"),
        (lambda x: x.backward(), RuntimeError, "backward"),
        (lambda x: x.retain_grad(), RuntimeError, "retain_grad: the tensor does not require grad"),
        (lambda x: setattr(x, "grad", rg.ones(3)), RuntimeError, r"shape \(3,\) does not fit.*\(2,\)"),
        (lambda x: setattr(x, "grad", rg.ones(2).double()), RuntimeError, "float64 gradient does not fit a float32"),
        (lambda x: setattr(x, "grad", 5), TypeError, "a Tensor or None is expected, got int"),
        (lambda x: setattr(x, "data", 5), TypeError, "a Tensor is expected, got int"),
        (lambda x: "a" in x, RuntimeError, "a Tensor or a number is expected on the left, got str"),
        (lambda x: x + "a", TypeError, "got str"),
        (lambda x: x + None, TypeError, "got NoneType"),
        (lambda x: x.view(5), RuntimeError, "view"),
        (lambda x: x.sum_to_size(3), RuntimeError, r"\(3,\) does not broadcast to the shape \(2,\)"),
        (lambda x: x.share_memory_(), NotImplementedError, "use threads"),
        (lambda x: (x.requires_grad_() * 1).requires_grad_(False), RuntimeError, r"made by mul at test_tensor.py.*detach"),
        (lambda x: x.requires_grad_().apply_(abs), RuntimeError, r"use detach\(\) first"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(rg.tensor([1.0, 2.0]))


def test_integer_copies_of_a_leaf_have_no_gradient():
    w = rg.tensor([1.5, 2.5], requires_grad=True)
    for v in (w.long(), w.to(rg.int32), w.bool(), w > 1, w.argmax()):
        assert not v.requires_grad and v.grad_fn is None
    assert w.double().requires_grad and w.half().requires_grad and w.cfloat().requires_grad


def test_formatting_shows_the_number_of_a_0d_tensor():
    assert f"{rg.tensor(2.5)}" == "2.5" and f"{rg.tensor(2.5, requires_grad=True) * 2:.3f}" == "5.000"
    assert f"{rg.tensor(3):>4d}" == "   3" and f"{rg.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match="format"):
        f"{rg.ones(2):.2f}"


def test_threads_that_read_one_tensor():
    from concurrent.futures import ThreadPoolExecutor

    x = rg.arange(1000.0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda k: (x * k).sum().item() == 499500.0 * k, range(50))) == {True}
