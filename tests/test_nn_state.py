"""state_dict and load_state_dict: keys, hooks, the report, errors that help, and all or nothing."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def net():
    return nn.Sequential(OrderedDict(body=nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), head=nn.Linear(4, 2)))


def values(module):
    return {k: v.numpy().copy() for k, v in module.state_dict().items()}


def assert_unchanged(module, before):
    for k, v in module.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), before[k])


class TestSaving:
    def test_as_in_torch(self):
        torch = pytest.importorskip("torch")
        theirs = torch.nn.Sequential(
            OrderedDict(
                body=torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), head=torch.nn.Linear(4, 2)
            )
        )
        ours = net()
        a, b = ours.state_dict(), theirs.state_dict()
        assert list(a) == list(b)
        assert a._metadata == b._metadata
        assert ours.load_state_dict(b).missing_keys == []
        for k in b:
            np.testing.assert_array_equal(ours.state_dict()[k].numpy(), b[k].numpy())
        x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        np.testing.assert_allclose(
            ours.eval()(rg.tensor(x)).detach().numpy(), theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-6
        )

    def test_arguments(self):
        m = nn.Linear(2, 1)
        assert list(m.state_dict(prefix="p.")) == ["p.weight", "p.bias"]
        assert m.state_dict(keep_vars=True)["weight"] is m.weight
        plain = m.state_dict()["weight"]
        assert not plain.requires_grad
        with rg.no_grad():
            m.weight.fill_(7.0)
        assert plain.tolist() == [[7.0, 7.0]]  # memory is shared
        into = {}
        assert m.state_dict(destination=into) is into
        assert list(into) == ["weight", "bias"]
        with pytest.warns(FutureWarning, match="positional"):
            assert list(m.state_dict(None, "q.")) == ["q.weight", "q.bias"]

    def test_hooks(self):
        m = net()
        seen = []
        m.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append(("pre", prefix, keep_vars)))

        def drop(module, state, prefix, metadata):
            del state[prefix + "0.bias"]

        m.body.register_state_dict_post_hook(drop)
        state = m.state_dict()
        assert seen == [("pre", "", False)]
        assert "body.0.bias" not in state
        m.head.register_state_dict_post_hook(lambda *a: 3)
        with pytest.raises(RuntimeError, match="must return None"):
            m.state_dict()
        other = nn.Linear(1, 1)
        other._register_state_dict_hook(lambda module, state, prefix, meta: {"all": 1})
        assert other.state_dict() == {"all": 1}


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(rg.zeros(2))
        self.count = 5

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        if state["count"] < 0:
            raise ValueError("negative count")
        self.count = state["count"]


class TestExtraState:
    def test_round_trip(self):
        a, b = nn.Sequential(Counting()), nn.Sequential(Counting())
        a[0].count = 9
        state = a.state_dict()
        assert state["0._extra_state"] == {"count": 9}
        assert str(b.load_state_dict(state)) == "<All keys matched successfully>"
        assert b[0].count == 9
        del state["0._extra_state"]
        with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
            b.load_state_dict(state)

    def test_failure_leaves_the_tensors_alone(self):
        m = nn.Sequential(Counting(), Counting())
        state = m.state_dict()
        state = {k: (v + 1 if k.endswith("w") else v) for k, v in state.items()} | {"1._extra_state": {"count": -1}}
        before = {k: v.tolist() for k, v in m.named_parameters()}
        with pytest.raises(ValueError, match="negative count"):
            m.load_state_dict(state)
        assert {k: v.tolist() for k, v in m.named_parameters()} == before

    def test_unexpected(self):
        m = nn.Linear(1, 1)
        state = {**m.state_dict(), "_extra_state": 1}
        assert m.load_state_dict(state, strict=False).unexpected_keys == ["_extra_state"]


class TestReport:
    def test_all_matched(self):
        m = net()
        report = m.load_state_dict(m.state_dict())
        assert repr(report) == str(report) == "<All keys matched successfully>"
        missing, unexpected = report
        assert missing == unexpected == []
        assert report.missing_keys is missing
        assert len(report.matched) == report.tensors == 9
        assert report.fraction == 1.0
        assert pickle.loads(pickle.dumps(report)) == copy.copy(report) == report

    def test_partial(self):
        m = net()
        state = dict(m.state_dict())
        state["haed.weight"] = state.pop("head.weight")
        state["other"] = rg.zeros(1)
        report = m.load_state_dict(state, strict=False)
        assert report.missing_keys == ["head.weight"]
        assert report.unexpected_keys == ["haed.weight", "other"]
        assert report.nearest == {"haed.weight": "head.weight"}
        assert len(report.matched) == 8
        # 12 + 4 + 4 + 4 + 8 + 2 parameter elements, of which the 8 of head.weight are missing
        assert report.fraction == pytest.approx(26 / 34)
        assert str(report) == (
            "8 of 9 tensors matched (76 % of parameters)\n"
            "missing: head.weight\n"
            "unexpected: haed.weight (nearest: head.weight), other"
        )

    def test_strict_error_has_torchs_words_and_more(self):
        m = net()
        state = dict(m.state_dict())
        state["haed.weight"] = state.pop("head.weight") + 1
        state["head.bias"] = state["head.bias"] + 1
        before = values(m)
        with pytest.raises(RuntimeError) as caught:
            m.load_state_dict(state)
        lines = str(caught.value).split("\n\t")
        assert lines == [
            "Error(s) in loading state_dict for Sequential:",
            'Missing key(s) in state_dict: "head.weight". ',
            'Unexpected key(s) in state_dict: "haed.weight". ',
            "8 of 9 tensors matched (76 % of parameters); nothing was loaded.",
            'Nearest names: "haed.weight" -> "head.weight"',
        ]
        assert caught.value.report.missing_keys == ["head.weight"]
        assert_unchanged(m, before)

    def test_words_are_torchs(self):
        torch = pytest.importorskip("torch")
        state = {"weight": np.zeros((1, 3)), "extra": np.zeros(1)}
        with pytest.raises(RuntimeError) as ours:
            nn.Linear(2, 1).load_state_dict(state)
        with pytest.raises(RuntimeError) as theirs:
            torch.nn.Linear(2, 1).load_state_dict({k: torch.tensor(v) for k, v in state.items()})
        a, b = str(ours.value).split("\n\t"), str(theirs.value).split("\n\t")
        shapes = {"torch.Size([1, 3])": "(1, 3)", "torch.Size([1, 2])": "(1, 2)"}
        for theirs_say, we_say in shapes.items():
            b = [line.replace(theirs_say, we_say) for line in b]
        assert a[: len(b)] == b

    @pytest.mark.parametrize("strict", [True, False])
    def test_shapes_raise_in_any_mode_and_load_nothing(self, strict):
        m = net()
        before = values(m)
        state = {k: np.ones_like(v) for k, v in before.items()} | {"head.weight": np.ones((3, 4))}
        with pytest.raises(RuntimeError, match=r"size mismatch for head\.weight: copying a param with shape \(3") as e:
            m.load_state_dict(state, strict=strict)
        assert e.value.report.mismatched == {"head.weight": ((3, 4), (2, 4))}
        assert "nothing was loaded" in str(e.value)
        assert_unchanged(m, before)

    def test_nothing_matches(self):
        m = net()
        before = values(m)
        for state in ({"x": rg.zeros(1)}, {}, {f"module.{k}": v for k, v in before.items()}):
            for strict in (True, False):
                with pytest.raises(RuntimeError):
                    m.load_state_dict(state, strict=strict)
        with pytest.raises(RuntimeError, match=r'Every name has the prefix "module."; strip it: \{k.removeprefix'):
            m.load_state_dict(state, strict=False)
        with pytest.raises(RuntimeError, match=r'Every name lacks the prefix "0."; add it: \{"0." \+ k'):
            nn.Sequential(nn.Linear(1, 1)).load_state_dict(nn.Linear(1, 1).state_dict(), strict=False)
        assert_unchanged(m, before)
        assert str(nn.ReLU().load_state_dict({})) == "<All keys matched successfully>"

    def test_thousands_of_names_are_quick(self):
        m = nn.ModuleList(nn.Linear(1, 1) for _ in range(300))
        with pytest.raises(RuntimeError, match="600 tensors"):
            m.load_state_dict({f"layer_{k}": v for k, v in m.state_dict().items()})

    def test_kinds_of_values(self):
        m = nn.Linear(2, 1)
        frozen = np.ones((1, 2))
        frozen.flags.writeable = False
        m.load_state_dict({"weight": frozen, "bias": np.float64(3.0)[None]})
        assert m.weight.dtype is rg.float32
        assert m.weight.tolist() == [[1.0, 1.0]]
        with pytest.raises(RuntimeError, match="expected a Tensor or an array from checkpoint"):
            m.load_state_dict({"weight": [[1.0, 2.0]], "bias": rg.zeros(1)})
        with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
            m.load_state_dict([1])
        bn = nn.BatchNorm1d(2)
        bn.load_state_dict({**bn.state_dict(), "num_batches_tracked": rg.tensor([4])})
        assert int(bn.num_batches_tracked) == 4

    def test_torchs_tensors(self):
        torch = pytest.importorskip("torch")
        theirs = torch.nn.Linear(2, 3)
        m = nn.Linear(2, 3)
        m.load_state_dict(dict(theirs.named_parameters()))  # tensors that require gradients
        assert m.weight.tolist() == theirs.weight.tolist()
        theirs.bfloat16()
        m.load_state_dict(theirs.state_dict())
        assert m.weight.tolist() == theirs.weight.float().tolist() and m.weight.dtype is rg.float32
        m.load_state_dict(theirs.state_dict(), assign=True)
        assert m.weight.dtype is rg.bfloat16
        conjugated = torch.ones(3, 2, dtype=torch.complex64).conj()
        m.load_state_dict({"weight": conjugated.real.mT.contiguous().mT, "bias": -conjugated.imag[:, 0]})
        assert m.weight.tolist() == [[1.0, 1.0]] * 3

    def test_a_checkpoint_with_the_state_dict_inside(self):
        m = net()
        with pytest.raises(RuntimeError, match=r"names one level down; load state\['model'\] of it"):
            m.load_state_dict({"model": net().state_dict(), "epoch": 3})

    def test_a_transposed_weight_is_recognised(self):
        m = nn.Linear(2, 3)
        with pytest.raises(RuntimeError, match="Transposed, it would fit: weight"):
            m.load_state_dict({"weight": np.zeros((2, 3)), "bias": np.zeros(3)})

    def test_the_result_is_torchs_pair(self):
        m = nn.Linear(2, 3)
        result = m.load_state_dict({"weight": rg.ones(3, 2), "x": rg.ones(1)}, strict=False)
        missing, unexpected = result
        assert isinstance(result, tuple) and (missing, unexpected) == (["bias"], ["x"])
        assert result.missing_keys is missing and result.unexpected_keys is unexpected and result.matched == ["weight"]


class TestAssign:
    def test_takes_tensors_over(self):
        m = nn.BatchNorm1d(2)
        m.weight.requires_grad_(False)
        state = {k: (v.double() if v.is_floating_point() else v) for k, v in m.state_dict().items()}
        m.load_state_dict(state, assign=True)
        assert isinstance(m.weight, nn.Parameter)
        assert m.weight.dtype is rg.float64
        assert not m.weight.requires_grad
        assert m.bias.requires_grad
        assert m.running_mean is state["running_mean"]

    def test_copy_keeps_objects(self):
        m = nn.Linear(2, 1)
        weight = m.weight
        m.load_state_dict({"weight": rg.ones(1, 2), "bias": rg.ones(1)})
        assert m.weight is weight
        assert weight.requires_grad
        assert weight.is_leaf


class TestLoadHooks:
    def test_pre_hook_renames(self):
        m = nn.Sequential(nn.Linear(2, 1))
        state = {"0.w": rg.ones(1, 2), "0.bias": rg.ones(1)}

        def rename(module, state_dict, prefix, *rest):
            assert module is m[0]
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")

        handle = m[0].register_load_state_dict_pre_hook(rename)
        # the hook of a child sees its own part only, so the parent does not notice
        assert m.load_state_dict(state).missing_keys == []
        assert m[0].weight.tolist() == [[1.0, 1.0]]
        handle.remove()
        with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "0.w"'):
            m.load_state_dict(state)

    def test_post_hook_edits_keys_and_sees_loaded_values(self):
        m = nn.Linear(2, 1)
        seen = []

        def forgive(module, incompatible):
            seen.append((module.weight.tolist(), list(incompatible.missing_keys)))
            incompatible.missing_keys.clear()

        m.register_load_state_dict_post_hook(forgive)
        assert m.load_state_dict({"weight": rg.ones(1, 2)}).missing_keys == []
        assert seen == [([[1.0, 1.0]], ["bias"])]

    def test_everything_is_undone_when_a_post_hook_fails(self):
        for fail in (lambda m, k: 3, lambda m, k: 1 / 0, lambda m, k: k.missing_keys.append("more")):
            for assign in (False, True):
                m = net()
                before = values(m)
                m.head.register_load_state_dict_post_hook(fail)
                with pytest.raises((AssertionError, ZeroDivisionError, RuntimeError)):
                    m.load_state_dict({k: rg.tensor(v + 1) for k, v in before.items()}, assign=assign)
                assert_unchanged(m, before)

    def test_overridden_loader(self):
        class Old(nn.Linear):
            _version = 2

            def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
                if local_metadata.get("version", 1) < 2:
                    state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
                super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

        m = nn.Sequential(Old(2, 1))
        m.load_state_dict({"0.kernel": rg.ones(1, 2), "0.bias": rg.zeros(1)})
        assert m[0].weight.tolist() == [[1.0, 1.0]]
        m.load_state_dict(m.state_dict())

    def test_loader_called_alone_writes_at_once(self):
        m = nn.Linear(2, 1)
        missing, unexpected, errors = [], [], []
        state = {"p.weight": rg.ones(1, 2), "p.more": 1}
        m._load_from_state_dict(state, "p.", {}, True, missing, unexpected, errors)
        assert (missing, unexpected, errors) == (["p.bias"], ["p.more"], [])
        assert m.weight.tolist() == [[1.0, 1.0]]
