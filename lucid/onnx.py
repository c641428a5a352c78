"""``lucid.onnx``: models cannot be exported yet; the functions say what can be done instead."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["dynamo_export", "export", "is_in_onnx_export"]

_INSTEAD = (
    "lucid does not write ONNX. Save the weights with lucid.save(model.state_dict(), path) or "
    "lucid.serialization.save_safetensors, load them into the same model in PyTorch, and export there"
)


def export(*args: Any, **options: Any) -> NoReturn:
    """Raises NotImplementedError, which says what to do instead."""
    raise NotImplementedError(f"onnx.export: {_INSTEAD}")


def dynamo_export(*args: Any, **options: Any) -> NoReturn:
    """Raises NotImplementedError, as ``export``."""
    raise NotImplementedError(f"onnx.dynamo_export: {_INSTEAD}")


def is_in_onnx_export() -> bool:
    """False: models ask it in ``forward``."""
    return False
