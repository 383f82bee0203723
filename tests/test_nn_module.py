"""Module: registration, walking, conversion, copying, printing, modes, and the warning about plain containers."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import retrograd as rg
from retrograd import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.b = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.scale = nn.Parameter(rg.ones(1))
        self.register_buffer("steps", rg.zeros(1))
        self.register_buffer("cache", rg.zeros(2), persistent=False)

    def forward(self, x):
        return self.b(self.a(x)) * self.scale


def names(pairs):
    return [name for name, _ in pairs]


class TestRegistration:
    def test_walks(self):
        net = Net()
        assert names(net.named_parameters()) == [
            "scale", "a.weight", "a.bias", "b.0.weight", "b.0.bias", "b.1.weight", "b.1.bias",
        ]  # fmt: skip
        assert names(net.named_parameters("net", recurse=False)) == ["net.scale"]
        assert names(net.named_buffers()) == [
            "steps", "cache", "b.1.running_mean", "b.1.running_var", "b.1.num_batches_tracked",
        ]  # fmt: skip
        assert names(net.named_modules()) == ["", "a", "b", "b.0", "b.1"]
        assert names(net.named_children()) == ["a", "b"]
        assert [len(list(walk)) for walk in (net.parameters(), net.buffers(), net.modules(), net.children())] == [
            7, 5, 5, 2,
        ]  # fmt: skip
        assert "cache" not in net.state_dict()
        assert "steps" in net.state_dict()

    def test_shared_parts_are_listed_once(self):
        net = nn.Module()
        net.a = nn.Linear(2, 2)
        net.b = net.a
        net.w = net.a.weight
        assert names(net.named_parameters()) == ["w", "a.bias"]
        assert names(net.named_parameters(remove_duplicate=False)) == [
            "w", "a.weight", "a.bias", "b.weight", "b.bias",
        ]  # fmt: skip
        assert names(net.named_modules(remove_duplicate=False)) == ["", "a", "b"]
        assert list(net.state_dict()) == ["w", "a.weight", "a.bias", "b.weight", "b.bias"]

    def test_attributes_replace_and_delete(self):
        m = nn.Module()
        m.x = 3
        m.x = nn.Parameter(rg.zeros(2))
        assert "x" not in vars(m)
        assert "x" in dir(m)
        with pytest.raises(TypeError, match=r"cannot assign 'retrograd.Tensor' as parameter 'x'"):
            m.x = rg.zeros(2)
        m.x = None
        assert m.x is None
        assert names(m.named_parameters()) == []
        m.x = nn.Parameter(rg.zeros(2))
        del m.x
        assert not hasattr(m, "x")
        m.x = nn.Linear(1, 1)
        with pytest.raises(TypeError, match="as child module 'x'"):
            m.x = 3
        m.x = None
        del m.x
        m.register_buffer("x", rg.zeros(1))
        m.x = rg.ones(1)
        assert m.state_dict()["x"].tolist() == [1.0]
        with pytest.raises(TypeError, match="as buffer 'x'"):
            m.x = 3
        m.x = nn.Parameter(rg.zeros(1))
        assert names(m.named_buffers()) == []
        with pytest.raises(AttributeError, match="'Module' object has no attribute 'y'"):
            m.y
        with pytest.raises(AttributeError):
            del m.y

    def test_buffer_class(self):
        m = nn.Module()
        m.kept, m.lost = nn.Buffer(rg.ones(2)), nn.Buffer(rg.zeros(2), persistent=False)
        assert names(m.named_buffers()) == ["kept", "lost"]
        assert list(m.state_dict()) == ["kept"]
        m.lost = rg.ones(2)
        assert list(m.state_dict()) == ["kept"]
        assert (m.kept + 1).tolist() == [2.0, 2.0]
        assert isinstance(copy.deepcopy(m).kept, rg.Tensor)

    def test_errors(self):
        m = nn.Module()
        m.taken = 1
        for register in (m.register_parameter, m.register_buffer, m.add_module):
            with pytest.raises(KeyError, match="already exists"):
                register("taken", None)
            with pytest.raises(KeyError, match="contain"):
                register("a.b", None)
            with pytest.raises(KeyError, match="be empty"):
                register("", None)
            with pytest.raises(TypeError, match="should be a string"):
                register(3, None)
        with pytest.raises(TypeError, match=r"cannot assign 'retrograd.Tensor' object to parameter 'p'"):
            m.register_parameter("p", rg.zeros(1))
        with pytest.raises(TypeError, match=r"cannot assign 'list' object to buffer 'p'"):
            m.register_buffer("p", [1])
        with pytest.raises(TypeError, match="int is not a Module subclass"):
            m.add_module("p", 3)

        class Early(nn.Module):
            def __init__(self, value):
                self.part = value

        for value, text in ((nn.Parameter(rg.zeros(1)), "parameters"), (nn.Linear(1, 1), "module")):
            with pytest.raises(AttributeError, match=f"cannot assign {text} before Module.__init__"):
                Early(value)

        class Uninitialized(nn.Module):
            def __init__(self):
                pass

        with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
            Uninitialized()(1)
        with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
            nn.Module(size=3)
        with pytest.raises(NotImplementedError, match='missing the required "forward"'):
            nn.Module()(1)

    def test_paths(self):
        net = Net()
        assert net.get_submodule("b.0") is net.b[0]
        assert net.get_submodule("") is net
        assert net.get_parameter("b.0.weight") is net.b[0].weight
        assert net.get_buffer("b.1.running_mean") is net.b[1].running_mean
        for find, target, text in (
            (net.get_submodule, "b.7", "Sequential has no attribute `7`"),
            (net.get_submodule, "scale", "`scale` is not an nn.Module"),
            (net.get_parameter, "steps", "`steps` is not an nn.Parameter"),
            (net.get_buffer, "scale", "`scale` is not a buffer"),
            (net.get_buffer, "a.nothing", "Linear has no attribute `nothing`"),
        ):
            with pytest.raises(AttributeError, match=text):
                find(target)
        new = nn.Identity()
        net.set_submodule("b.0", new)
        assert net.b[0] is new
        with pytest.raises(AttributeError, match="has no attribute `c`"):
            net.set_submodule("c", new, strict=True)

    def test_registration_hooks(self):
        seen = []
        handles = [
            nn.modules.module.register_module_parameter_registration_hook(lambda m, n, p: seen.append(("p", n))),
            nn.modules.module.register_module_buffer_registration_hook(lambda m, n, p: seen.append(("b", n))),
            nn.modules.module.register_module_module_registration_hook(lambda m, n, p: seen.append(("m", n))),
        ]
        try:
            nn.Sequential(nn.BatchNorm1d(1, affine=False))
            m = nn.Module()
            m.w = nn.Parameter(rg.zeros(1))
        finally:
            for handle in handles:
                handle.remove()
        assert seen == [
            ("b", "running_mean"), ("b", "running_var"), ("b", "num_batches_tracked"), ("m", "0"), ("p", "w"),
        ]  # fmt: skip


class TestModes:
    def test_train_eval(self):
        net = Net()
        assert all(m.training for m in net.modules())
        assert net.eval() is net
        assert not any(m.training for m in net.modules())
        with pytest.raises(ValueError, match="expected to be boolean"):
            net.train(1)

    def test_evaluating_restores_each_mode(self):
        net = Net()
        net.b.eval()
        with net.evaluating() as same:
            assert same is net
            assert not any(m.training for m in net.modules())
        assert [m.training for m in net.modules()] == [True, True, False, False, False]
        with pytest.raises(ZeroDivisionError), net.evaluating():
            raise ZeroDivisionError
        assert net.training

    def test_freeze(self):
        net = Net()
        assert net.freeze("b", "a.bi*") is net
        assert [n for n, p in net.named_parameters() if p.requires_grad] == ["scale", "a.weight"]
        net.unfreeze("b.1")
        assert [n for n, p in net.named_parameters() if not p.requires_grad] == ["a.bias", "b.0.weight", "b.0.bias"]
        assert not any(p.requires_grad for p in net.freeze().parameters())
        assert all(p.requires_grad for p in net.requires_grad_().parameters())
        with pytest.raises(ValueError, match=r"no parameter matches 'encoder'; there are scale, a\.weight"):
            net.freeze("encoder")

    def test_zero_grad(self):
        net = nn.Linear(2, 1)
        net(rg.ones(3, 2)).sum().backward()
        net.zero_grad(set_to_none=False)
        assert net.weight.grad.tolist() == [[0.0, 0.0]]
        net.zero_grad()
        assert net.weight.grad is None

    def test_apply_order(self):
        seen = []
        net = Net()
        assert net.apply(lambda m: seen.append(type(m).__name__)) is net
        assert seen == ["Linear", "Linear", "BatchNorm1d", "Sequential", "Net"]


class TestConversion:
    def test_dtypes(self):
        net = Net()
        weight = net.a.weight
        net(rg.ones(2, 3)).sum().backward()
        assert net.double() is net
        assert net.a.weight is weight
        assert weight.dtype is rg.float64
        assert weight.grad.dtype is rg.float64
        assert net.b[1].running_mean.dtype is rg.float64
        assert net.b[1].num_batches_tracked.dtype is rg.int64
        for convert, dtype in ((net.float, rg.float32), (net.half, rg.float16), (net.bfloat16, rg.bfloat16)):
            convert()
            assert all(p.dtype is dtype for p in net.parameters())
        assert net.to(rg.float64).a.weight.dtype is rg.float64
        assert net.to(rg.zeros(1)).a.weight.dtype is rg.float32
        assert net.to("cpu", rg.float64).a.weight.dtype is rg.float64
        assert net.to(device="cpu", dtype=rg.float32, non_blocking=True).a.weight.dtype is rg.float32
        assert net.to(rg.device("cpu")).cpu().a.weight.device.type == "cpu"
        assert net.type(rg.float64).b[1].num_batches_tracked.dtype is rg.float64

    def test_training_goes_on_after_conversion(self):
        net = nn.Linear(2, 1)
        params = list(net.parameters())
        net.double()
        net(rg.ones(1, 2, dtype=rg.float64)).sum().backward()
        assert params[0].grad.dtype is rg.float64

    def test_errors(self):
        net = Net()
        with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
            net.to(rg.int64)
        with pytest.raises(TypeError, match="expected a device, a dtype or a tensor, got list"):
            net.to([1])
        with pytest.raises(TypeError, match="unexpected keyword argument 'kind'"):
            net.to(kind="cpu")
        with pytest.raises(TypeError, match="multiple values"):
            net.to("cpu", device="cpu")
        with pytest.warns(UserWarning, match="complex"):
            nn.Linear(1, 1).to(rg.complex64)
        with pytest.raises(NotImplementedError, match="threads"):
            net.share_memory()

    def test_to_empty(self):
        net = Net().to_empty(device="cpu")
        assert tuple(net.a.weight.shape) == (4, 3)


class TestCopies:
    def test_deepcopy(self):
        net = Net()
        net.tied = net.a.weight
        twin = copy.deepcopy(net)
        assert twin.tied is twin.a.weight
        assert twin.a.weight is not net.a.weight
        assert isinstance(twin.a.weight, nn.Parameter)
        assert twin.a.weight.requires_grad
        with rg.no_grad():
            twin.a.weight.zero_()
        assert net.a.weight.detach().numpy().any()
        x = rg.ones(2, 3)
        assert tuple(twin(x).shape) == (2, 4)

    def test_pickle(self):
        net = Net().eval()
        net.freeze("a")
        twin = pickle.loads(pickle.dumps(net))
        x = rg.randn(2, 3)
        assert (twin(x) == net(x)).all()
        assert not twin.training
        assert not twin.a.weight.requires_grad
        assert twin.scale.requires_grad
        assert list(twin.state_dict()) == list(net.state_dict())

    def test_subclasses_with_their_own_getstate(self):
        class Own(nn.Linear):
            def __getstate__(self):
                return {**self.__dict__, "note": 1}

            def __setstate__(self, state):
                self.__dict__.update(state)

        globals()["Own"] = Own
        Own.__qualname__ = "Own"
        net = Own(2, 1)
        for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            assert twin.note == 1
            assert "Own" in rg.autograd.core.module_path(twin(rg.ones(1, 2)).grad_fn.module)
        del globals()["Own"]

    def test_shallow_copy_shares(self):
        net = Net()
        twin = copy.copy(net)
        assert twin.a is net.a
        assert twin(rg.ones(2, 3)).shape[0] == 2


class TestCall:
    def test_arguments_pass_through(self):
        class Keyword(nn.Module):
            def forward(self, x, *rest, scale=1.0, **more):
                return x * scale, rest, more

        out = Keyword()(rg.ones(1), 2, scale=3.0, other=4)
        assert out[0].tolist() == [3.0]
        assert out[1:] == ((2,), {"other": 4})

    def test_errors_name_the_module(self):
        net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
        with pytest.raises(RuntimeError) as caught:
            net(rg.ones(2, 3))
        notes = caught.value.__notes__
        assert len([n for n in notes if n.startswith("in module")]) == 1
        assert "in module Sequential.1.1 (Linear(in_features=5, out_features=2, bias=True))" in notes[-1]
        assert "called with ((2, 4) float32)" in notes[-1]

    def test_recorded_operations_know_their_module(self):
        net = Net()
        assert "Net" in rg.autograd.core.module_path(net(rg.ones(2, 3)).grad_fn.module)
        assert rg.autograd.core.tls.state.module is None

    def test_no_cycle_keeps_a_module_alive(self):
        import gc
        import weakref

        gc.disable()
        try:
            net = Net()
            net(rg.ones(2, 3)).sum().backward()
            ref = weakref.ref(net)
            del net
            assert ref() is None
        finally:
            gc.enable()


class TestPrinting:
    def test_as_in_torch(self):
        torch = pytest.importorskip("torch")

        def build(lib):
            net = lib.Sequential(lib.Linear(2, 3), lib.Sequential(lib.ReLU(), lib.Dropout(0.1)), lib.Identity())
            net.add_module("blocks", lib.ModuleList([lib.Linear(2, 2)] * 3 + [lib.Tanh()]))
            net.add_module("named", lib.ModuleDict({"x": lib.Flatten(), "y": lib.ModuleList()}))
            return net

        assert repr(build(nn)) == repr(build(torch.nn))

    def test_extra_lines(self):
        class Wordy(nn.Module):
            def extra_repr(self):
                return "one\ntwo"

        assert repr(Wordy()) == "Wordy(\n  one\n  two\n)"
        assert repr(nn.Module()) == "Module()"


def plain_container_warnings(build, use=lambda net: list(net.parameters())):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net = build()
        use(net)
        use(net)
    return net, [w for w in caught if "unregistered" in str(w.message)]


class TestPlainContainers:
    def test_list_filled_later_is_reported_once_by_name_and_line(self):
        class Bad(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Module()
                self.layers = []
                for _ in range(2):
                    self.layers.append(nn.Linear(1, 1))

        _, found = plain_container_warnings(Bad)
        assert len(found) == 1
        text = str(found[0].message)
        assert "Bad.layers" in text
        assert "2 unregistered (Linear)" in text
        assert "nn.ModuleList" in text
        assert found[0].filename == __file__
        assert found[0].lineno == Bad.__init__.__code__.co_firstlineno + 3
        assert issubclass(found[0].category, UserWarning)

    def test_nested_dicts_and_parameters(self):
        def build():
            net, net.inner = nn.Module(), nn.Module()
            net.inner.table = {"w": [nn.Parameter(rg.zeros(1))], "n": 3}
            net.pair = (nn.ReLU(), nn.Tanh())
            return net

        _, found = plain_container_warnings(build, lambda net: net.state_dict())
        texts = sorted(str(w.message) for w in found)
        assert len(texts) == 2
        assert "Module.inner.table" in texts[0]
        assert "nn.ParameterDict" in texts[0]
        assert "Module.pair" in texts[1]

    def test_silent_when_there_is_nothing_to_say(self):
        def build():
            net = nn.Module()
            net.a, net.b = nn.Linear(1, 1), nn.Linear(1, 1)
            net.order = [net.a, net.b]  # registered as well
            net.later = [nn.Linear(1, 1)]
            for i, layer in enumerate(net.later):
                net.add_module(f"later{i}", layer)
            net.weights = (net.a.weight,)
            net.a.parent = [net]  # the way to refer upwards
            net.sizes, net.config = [1, 2], {"depth": 3}
            object.__setattr__(net, "teacher", nn.Linear(1, 1))
            net.numbers = list(range(100_000))
            net.gone = [nn.Linear(1, 1)]
            net.gone = None
            return net

        net, found = plain_container_warnings(build)
        assert found == []
        _, found = plain_container_warnings(lambda: net.a)
        assert found == []


def test_module_paths_of_pytorch():
    import importlib

    for path, name in (
        ("modules.module", "Module"), ("modules.linear", "Linear"), ("modules.conv", "Conv2d"),
        ("modules.batchnorm", "_BatchNorm"), ("modules.container", "Sequential"), ("modules.activation", "ReLU"),
        ("modules.dropout", "Dropout"), ("modules.sparse", "Embedding"), ("modules.pooling", "MaxPool2d"),
        ("modules.loss", "CrossEntropyLoss"), ("modules.flatten", "Flatten"), ("modules.normalization", "LayerNorm"),
        ("modules.utils", "_pair"), ("parameter", "Parameter"), ("init", "xavier_uniform_"),
        ("functional", "relu"), ("utils", "clip_grad_norm_"), ("utils.clip_grad", "clip_grad_value_"),
        ("utils.convert_parameters", "parameters_to_vector"),
    ):  # fmt: skip
        assert hasattr(importlib.import_module(f"retrograd.nn.{path}"), name), path


def test_nn_exports_are_complete():
    for package in (nn, nn.modules, nn.functional, nn.init, nn.utils):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        for name in package.__all__:
            assert hasattr(package, name), name
    assert set(nn.modules.__all__) <= set(nn.__all__)
    no_layers = {n for n in nn.modules.__all__ if not issubclass(getattr(nn, n), nn.Module)}
    assert no_layers == {"LinearCrossEntropyOptions"}
