from typing import Any
from ...core.op import OPS
_relu = OPS["relu"].call
__all__ = ["relu"]
def relu(input: Any, inplace: bool = False) -> Any:
    return input.relu_() if inplace else _relu(input)
