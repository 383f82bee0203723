"""dtypes and devices: PyTorch's tables for every pair, NumPy's view of a dtype, constants, errors."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from retrograd.autograd import device as devices
from retrograd.autograd import dtypes as d
from retrograd.autograd.errors import DeviceError, DtypeError

NAMES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip
FLOATS = ["float16", "bfloat16", "float32", "float64"]
PAIRS = list(itertools.product(NAMES, NAMES))
SCALARS = [True, 2, 2.5, 2.5j]


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    yield module
    module.set_default_dtype(module.float32)


@pytest.fixture(autouse=True)
def _default_dtype():
    yield
    d.set_default_dtype(d.float32)


def ours(name):
    return d.as_dtype(name)


def either(fn, *args):
    """The name of the type that `fn` gives, or "error"; complex64 for complex32, which retrograd does not have."""
    try:
        return str(fn(*args)).split(".")[1].replace("complex32", "complex64")
    except RuntimeError:
        return "error"


def test_promote_types_equals_torch_for_every_pair(torch):
    for a, b in PAIRS:
        theirs = either(torch.promote_types, getattr(torch, a), getattr(torch, b))
        assert either(d.promote_types, ours(a), ours(b)) == theirs, (a, b)


def test_can_cast_equals_torch_for_every_pair(torch):
    for a, b in PAIRS:
        assert d.can_cast(ours(a), ours(b)) is torch.can_cast(getattr(torch, a), getattr(torch, b)), (a, b)


@pytest.mark.parametrize("default", ["float32", "float64", "bfloat16"])
def test_result_type_equals_torch_for_tensors_and_zero_dim_tensors(torch, default):
    torch.set_default_dtype(getattr(torch, default))
    d.set_default_dtype(ours(default))
    shapes = {d.TENSOR: (1,), d.ZERO_DIM: ()}
    for (a, b), (x, y) in itertools.product(PAIRS, itertools.product(shapes, shapes)):
        tensors = torch.ones(shapes[x], dtype=getattr(torch, a)), torch.ones(shapes[y], dtype=getattr(torch, b))
        assert either(d.result_type, (ours(a), x), (ours(b), y)) == either(torch.result_type, *tensors), (a, x, b, y)


@pytest.mark.parametrize("default", ["float32", "float64", "bfloat16"])
def test_result_type_equals_torch_for_scalars(torch, default):
    torch.set_default_dtype(getattr(torch, default))
    d.set_default_dtype(ours(default))
    for a, scalar, (rank, shape) in itertools.product(NAMES, SCALARS, [(d.TENSOR, (1,)), (d.ZERO_DIM, ())]):
        tensor = torch.ones(shape, dtype=getattr(torch, a))
        mine = either(d.result_type, (ours(a), rank), (d.of_scalar(scalar), d.SCALAR))
        assert mine == either(torch.result_type, tensor, scalar), (a, rank, scalar)
    for a, b in itertools.product(SCALARS, SCALARS):
        mine = either(d.result_type, (d.of_scalar(a), d.SCALAR), (d.of_scalar(b), d.SCALAR))
        assert mine == either(torch.result_type, a, b), (a, b)


def test_half_types_have_no_complex_type_of_their_own():
    assert d.result_type((d.float16, d.TENSOR), (d.complex64, d.SCALAR)) is d.complex64
    assert d.float16.to_complex() is d.bfloat16.to_complex() is d.complex64


def test_result_type_of_three_operands():
    assert d.result_type((d.int32, d.TENSOR), (d.float16, d.ZERO_DIM), (d.float32, d.SCALAR)) is d.float16
    assert d.result_type((d.int8, d.TENSOR), (d.uint8, d.TENSOR), (d.int64, d.ZERO_DIM)) is d.int16
    with pytest.raises(TypeError, match="no operands"):
        d.result_type()


def test_result_type_follows_the_default_dtype():
    operands = (d.int64, d.TENSOR), (d.float64, d.SCALAR)
    assert d.result_type(*operands) is d.float32
    with d.default_dtype(d.float64):
        assert d.result_type(*operands) is d.float64
    assert d.result_type(*operands) is d.float32


def test_of_scalar_takes_numpy_numbers_as_python_numbers():
    assert d.of_scalar(np.float64(2)) is d.of_scalar(np.float16(2)) is d.float32
    assert d.of_scalar(np.int8(2)) is d.int64
    assert d.of_scalar(np.bool_(True)) is d.of_scalar(True) is d.bool_
    assert d.of_scalar(np.complex128(2)) is d.complex64
    with pytest.raises(TypeError, match="expected a number, but got 'two' of type str"):
        d.of_scalar("two")


@pytest.mark.parametrize("name", NAMES)
def test_attributes_equal_torch(torch, name):
    theirs, mine = getattr(torch, name), ours(name)
    for field in ("is_floating_point", "is_complex", "is_signed", "itemsize"):
        assert getattr(mine, field) == getattr(theirs, field), field
    assert repr(mine) == repr(theirs).replace("torch.", "retrograd.")
    assert str(mine.to_real()).split(".")[1] == str(theirs.to_real()).split(".")[1]
    assert either(mine.to_complex) == either(theirs.to_complex)
    assert mine.is_int == (mine.kind in "ui")
    assert mine.fast == (name in ("float32", "float64"))


@pytest.mark.parametrize("alias", ["float", "double", "half", "long", "int", "short", "cfloat", "cdouble"])
def test_aliases_equal_torch(torch, alias):
    assert repr(ours(alias)).split(".")[1] == repr(getattr(torch, alias)).split(".")[1]


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_are_constants(name):
    mine = ours(name)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(mine, protocol)) is mine
    assert copy.copy(mine) is copy.deepcopy(mine) is mine
    with pytest.raises(AttributeError, match="constants"):
        mine.name = "other"
    with pytest.raises(AttributeError, match="constants"):
        del mine.name
    with pytest.raises(AttributeError, match="no attribute 'nme'"):
        mine.nme
    with pytest.raises(TypeError, match="constants"):
        d.dtype("float32")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_numpy_takes_our_dtypes(name):
    mine = ours(name)
    assert np.dtype(mine) is mine.np
    assert np.zeros(3, dtype=mine).dtype == mine
    assert np.zeros(3).astype(mine).dtype == mine
    assert mine == mine.np == mine
    assert mine == mine.np.type
    assert d.of(mine.np) is mine
    assert d.as_dtype(mine.np) is d.as_dtype(mine.np.type) is d.as_dtype(f"torch.{name}") is mine
    for other in NAMES:
        assert (mine == ours(other).np) is (ours(other).np == mine) is (name == other)


@pytest.mark.parametrize("other", [None, "float32", 3, float, object, np.generic, np.dtype("O"), np.dtype(">f4"), [1]])
def test_comparison_never_raises(other):
    assert (d.float32 == other) is False
    assert (d.float32 != other) is True


def test_longlong_and_bfloat16_are_recognised():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert d.of(np.dtype("q")) is d.of(np.dtype("l")) is d.int64 or sys.platform == "win32"
    assert d.of(np.dtype(ml_dtypes.bfloat16)) is d.bfloat16
    assert d.bfloat16 == ml_dtypes.bfloat16
    assert d.of(np.dtype("f4", metadata={"unit": "m"})) is d.float32


@pytest.mark.parametrize(
    ("spec", "way_out"),
    [
        (">f4", "newbyteorder"),
        (">i8", "newbyteorder"),
        ("O", "different lengths"),
        ("U3", "np.unique"),
        ("S2", "np.unique"),
        ("M8[s]", "int64"),
        ("m8[s]", "int64"),
        ("i4,f4", "one field"),
        ("V3", "a tensor holds bool"),
    ],
)
def test_types_that_a_tensor_cannot_hold(spec, way_out):
    with pytest.raises(TypeError, match=way_out) as caught:
        d.of(np.dtype(spec))
    assert repr(np.dtype(spec)) in str(caught.value)


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="long double is float64 here")
@pytest.mark.parametrize("spec", ["g", "G"])
def test_long_double_is_refused(spec):
    with pytest.raises(DtypeError, match="widest"):
        d.of(np.dtype(spec))


def test_as_dtype_of_python_types():
    assert [d.as_dtype(t) for t in (bool, int, float, complex)] == [d.bool_, d.int64, d.float64, d.complex128]
    for wrong in (None, 3, str, object, "floaty", [d.float32]):
        with pytest.raises(TypeError, match=r"zeros: expected a dtype such as retrograd\.float32"):
            d.as_dtype(wrong, "zeros")
    for name in ("complex32", "chalf"):
        with pytest.raises(DtypeError, match="complex64"):
            d.as_dtype(name)


def test_default_dtype():
    assert d.get_default_dtype() is d.float32
    for name in FLOATS:
        d.set_default_dtype(ours(name))
        assert d.get_default_dtype() is ours(name)
    for name in set(NAMES) - set(FLOATS):
        with pytest.raises(TypeError, match="only floating-point types"):
            d.set_default_dtype(ours(name))
    d.set_default_dtype(d.float32)
    with pytest.raises(ZeroDivisionError), d.default_dtype(d.float16) as inside:
        assert inside is d.get_default_dtype() is d.float16
        raise ZeroDivisionError
    assert d.get_default_dtype() is d.float32

    @d.default_dtype(d.float64)
    def inner():
        return d.get_default_dtype()

    assert inner() is inner() is d.float64


@pytest.mark.parametrize("name", NAMES)
def test_finfo_and_iinfo_equal_torch(torch, name):
    for which in ("finfo", "iinfo"):
        try:
            theirs = getattr(torch, which)(getattr(torch, name))
        except TypeError:
            with pytest.raises(TypeError, match=f"{which}: got retrograd.{name}; expected"):
                getattr(d, which)(ours(name))
            continue
        mine = getattr(d, which)(ours(name))
        for field in [f for f in dir(theirs) if not f.startswith("_")]:
            assert getattr(mine, field) == getattr(theirs, field), field
            assert type(getattr(mine, field)) is type(getattr(theirs, field)), field
        assert mine == getattr(d, which)(ours(name))
        if which == "finfo":
            assert repr(mine) == repr(theirs)


def test_finfo_of_the_default_dtype():
    with d.default_dtype(d.float64):
        assert d.finfo() == d.finfo(d.float64) != d.finfo(d.float32)
        assert hash(d.finfo()) == hash(d.finfo(d.float64))


def test_ml_dtypes_is_imported_on_first_use_only():
    code = (
        "import sys; from retrograd.autograd import dtypes as d; import numpy as np\n"
        "d.finfo(d.bfloat16), d.promote_types(d.bfloat16, d.float16), d.bfloat16 == np.float32, repr(d.bfloat16)\n"
        "assert 'ml_dtypes' not in sys.modules\n"
        "assert d.bfloat16.np.itemsize == 2 and 'ml_dtypes' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- devices ---------------------------------------------------------------------------------------------------------

device = devices.device


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("cpu",), {}),
        (("cpu:0",), {}),
        (("cuda",), {}),
        (("cuda:1",), {}),
        (("cuda", 1), {}),
        (("cuda",), {"index": 3}),
        ((), {"type": "cuda", "index": 0}),
    ],
)
def test_device_equals_torch(torch, args, kwargs):
    mine, theirs = device(*args, **kwargs), torch.device(*args, **kwargs)
    assert (mine.type, mine.index, str(mine), repr(mine)) == (theirs.type, theirs.index, str(theirs), repr(theirs))
    assert pickle.loads(pickle.dumps(mine)) == copy.deepcopy(mine) == device(mine) == mine
    assert hash(device(str(mine))) == hash(mine)


def test_device_from_an_ordinal():
    assert device(1) == device(np.int64(1)) == device("cuda:1")
    assert device("cuda") != device("cuda:0")
    assert device("cpu") != "cpu"
    assert len({device("cpu"), device("cpu"), device("cuda"), device("cuda:0")}) == 3


@pytest.mark.parametrize(
    "text", ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:01", "cuda:a", "cuda:²", "cuda:200", " cpu"]
)
def test_bad_device_strings(text):
    with pytest.raises(DeviceError, match=r"device: .*expected"):
        device(text)


@pytest.mark.parametrize("wrong", [1.5, None, True, ["cpu"], d.float32])
def test_bad_device_types(wrong):
    with pytest.raises(TypeError, match="expected a name"):
        device(wrong)


def test_bad_device_indices():
    for args in [("cuda:1", 1), (1, 1), ("cuda", -1), (device("cuda"), 1)]:
        with pytest.raises(DeviceError, match="device: "):
            device(*args)
    with pytest.raises(TypeError, match="must be an integer"):
        device("cuda", "1")


def test_devices_are_constants():
    for change in (lambda: setattr(device("cpu"), "index", 0), lambda: delattr(device("cpu"), "index")):
        with pytest.raises(AttributeError, match="constants"):
            change()


def test_default_device():
    assert devices.as_device(None) == device("cpu")
    with device("cuda:1") as outer:
        assert devices.as_device(None) is outer
        with device("cpu"):
            assert devices.get_default_device().type == "cpu"
        assert devices.get_default_device() is outer
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(devices.get_default_device()))
        thread.start()
        thread.join()
        assert seen == [device("cpu")]  # a block belongs to its thread
    devices.set_default_device("cuda:0")
    try:
        assert devices.as_device(None) == device(0)
    finally:
        devices.set_default_device(None)
    assert devices.get_default_device() is devices.cpu
    assert devices.as_device("cuda:2") == devices.as_device(2) == device("cuda", 2)
