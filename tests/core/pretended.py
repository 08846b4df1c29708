"""An accelerator that is not there: its tensors lie in the host's memory and say that they lie on "cuda:0" or "mps".

Every operation is refused where the real device would refuse it: tensors of two devices together, float64 on MPS, a
copy to MPS that does not wait for its pageable source. What makes the host wait for the device is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

aten = torch.ops.aten
# what answers the host
ANSWERS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.is_nonzero.default,
           aten.masked_select.default, aten._unique2.default}  # fmt: skip
# what takes tensors of two devices
BOTH = {aten.copy_.default, aten._foreach_copy_.default, aten.index.Tensor, aten.index_put_.default,
        aten.index_put.default}  # fmt: skip

_crossing: list[torch.device] = []  # a copy to another device is under way


class There(Tensor):
    """A tensor that says it lies on `place`; its values are in `host`."""

    host: Tensor
    place: torch.device

    @staticmethod
    def __new__(cls, host: Tensor, place: torch.device) -> There:
        found = torch.Tensor._make_wrapper_subclass(
            cls, host.size(), strides=host.stride(), storage_offset=host.storage_offset(), dtype=host.dtype,
            layout=host.layout, device=host.device,
        )  # fmt: skip
        found.host, found.place = host, place
        return found

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return self.place.type == "cuda"

    def cpu(self, *_: Any, **__: Any) -> Tensor:
        return _moved(self, torch.device("cpu"))

    def tolist(self) -> Any:
        return self.cpu().tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, _types: Any, _args: Any = (), _kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the machine")

    def __reduce_ex__(self, protocol: Any) -> Any:  # a checkpoint holds plain tensors
        return self.detach().cpu().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied = self.detach().clone()
            memo[id(self)] = (
                torch.nn.Parameter(copied, self.requires_grad)
                if isinstance(self, torch.nn.Parameter)
                else copied.requires_grad_(self.requires_grad)
            )
        found: Tensor = memo[id(self)]
        return found


def _moved(tensor: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
    """`tensor` itself where it is there already."""
    if tensor.device == device:
        return tensor
    _crossing.append(device)
    try:
        return aten._to_copy.default(tensor, device=device, non_blocking=non_blocking)
    finally:
        _crossing.pop()


def _to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``Tensor.to`` in all its spellings: the copy to another device first, then the rest."""
    layout = kwargs.get("memory_format")
    rest = {name: value for name, value in kwargs.items() if name not in ("memory_format", "copy")}
    if args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype)
    device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **rest)
    if device is not None:
        tensor = _moved(tensor, _definite(device), non_blocking)
    if dtype is None and layout is None:
        return tensor
    return Tensor.to(tensor, dtype or tensor.dtype, **({"memory_format": layout} if layout else {}))


def _definite(device: Any) -> torch.device:
    """The device as its tensors name it: ``cuda`` and ``mps`` are their first one."""
    device = torch.device(device)
    return torch.device(device.type, device.index or 0) if device.type != "cpu" else device


class _Sending(TorchFunctionMode):
    """What torch's C++ would do with the device before any operation is dispatched."""

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.to:
            return _to(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = _definite(kwargs.pop("device"))
            return _moved(func(*args, **kwargs), device)
        if func is Tensor.new_tensor and isinstance(args[0], There):
            dtype = kwargs.pop("dtype", None) or args[0].dtype
            return _moved(torch.tensor(*args[1:], dtype=dtype, **kwargs), args[0].device)
        return func(*args, **kwargs)


class Machine(TorchDispatchMode):
    """The machine with that device: makes its tensors, refuses what it would refuse, counts what waits for it."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = _definite(device)
        self.waits: list[str] = []  # what made the host wait, in order
        self.seen: set[Any] = set()  # operations on the device

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        flat = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        there = [value for value in flat if isinstance(value, There)]
        goal = self.device if there else torch.device("cpu")
        if kwargs.get("device") is not None:
            asked = _definite(kwargs["device"])
            kwargs["device"] = torch.device("cpu")
            if not there or _crossing:  # else it is autograd, which asks for the memory that a tensor lies in
                goal = asked
        self._judge(func, kwargs, flat, there, goal)
        args, kwargs = tree_map_only(There, lambda tensor: tensor.host, (args, kwargs))
        result = func(*args, **kwargs)
        if func in ANSWERS and func is not aten.nonzero.default:
            return result
        owners = {id(tensor.host): tensor for tensor in there}
        if goal.type == "cpu":
            return result
        return tree_map_only(
            Tensor, lambda tensor: owners[id(tensor)] if id(tensor) in owners else There(tensor, goal), result
        )

    def _judge(self, func: Any, kwargs: Any, flat: list[Tensor], there: list[There], goal: torch.device) -> None:
        if not there and goal.type == "cpu":
            return
        self.seen.add(func)
        here = [tensor for tensor in flat if not isinstance(tensor, There)]
        if func in ANSWERS:
            self.waits.append(str(func))
        if func is aten._to_copy.default:
            self._judge_copy(here, goal, kwargs.get("non_blocking", False))
        elif func in BOTH:
            self.waits += [f"{func} of two devices"] * bool(here)
        elif there and any(tensor.ndim or torch.Tag.pointwise not in func.tags for tensor in here):
            raise RuntimeError(
                f"{func}: Expected all tensors to be on the same device, but found {self.device} and cpu"
            )
        kinds = {tensor.dtype for tensor in there} | {kwargs.get("dtype") if goal.type != "cpu" else None}
        if self.device.type == "mps" and torch.float64 in kinds:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )

    def _judge_copy(self, here: list[Tensor], goal: torch.device, non_blocking: bool) -> None:
        if here and non_blocking and self.device.type == "mps":
            raise AssertionError("a copy to MPS that does not wait reads memory that may be gone")
        if here and not non_blocking:
            self.waits.append("a copy to the device")
        if goal.type == "cpu":
            self.waits.append("a copy from the device")


class _Autocast(torch.autocast):
    def __init__(self, _: str, **how: Any) -> None:
        super().__init__("cpu", **how)


class _Generator(torch.Generator):
    def __new__(cls, device: Any = None) -> _Generator:  # noqa: ARG004
        return super().__new__(cls)


@contextmanager
def pretended(device: str, patch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine that has `device`; what torch reports of it is pretended too."""
    machine = Machine(device)
    _border(machine, patch)
    with machine, _Sending():
        yield machine


def _border(machine: Machine, patch: pytest.MonkeyPatch) -> None:
    device = machine.device
    patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
    patch.setattr(torch._C, "_group_tensors_by_device_and_dtype", _grouped)
    patch.setattr(torch, "autocast", _Autocast)
    patch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    patch.setattr(torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
    patch.setattr(torch, "Generator", _Generator)
    patch.setattr(torch.cuda, "_lazy_init", lambda: None)
    patch.setattr(torch.accelerator, "current_stream", lambda: SimpleNamespace(is_capturing=lambda: False))
    if device.type == "mps":
        patch.setattr(torch.backends.mps, "is_available", lambda: True)
        patch.setattr(torch.mps, "synchronize", lambda: machine.waits.append("synchronize"))
        patch.setattr(torch.mps, "empty_cache", lambda: None)
        for name in ("current_allocated_memory", "driver_allocated_memory", "recommended_max_memory"):
            patch.setattr(torch.mps, name, lambda: 1 << 30)
        return
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "device_count", lambda: 1)
    patch.setattr(torch.cuda, "set_device", lambda _: None)
    patch.setattr(torch.cuda, "manual_seed_all", lambda _: None)
    patch.setattr(torch.cuda, "get_device_name", lambda _: "a pretended GPU")
    patch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    patch.setattr(torch.cuda, "synchronize", lambda _: machine.waits.append("synchronize"))
    patch.setattr(torch.cuda, "empty_cache", lambda: None)
    patch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    for name in ("memory_allocated", "memory_reserved", "max_memory_allocated"):
        patch.setattr(torch.cuda, name, lambda _: 1 << 30)
    patch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=8 << 30, major=9))
    patch.setattr(Tensor, "pin_memory", Tensor.clone)


def _grouped(lists: Any, with_indices: bool = False) -> Any:
    """torch's own, but by what the tensors say of their device."""
    groups: dict[Any, Any] = {}
    for place, row in enumerate(zip(*(part or [None] * len(lists[0]) for part in lists), strict=True)):
        key = (row[0].device, row[0].dtype)
        columns, indices = groups.setdefault(key, ([[] for _ in lists], []))
        for column, value in zip(columns, row, strict=True):
            if value is not None:
                column.append(value)
        if with_indices:
            indices.append(place)
    return groups
