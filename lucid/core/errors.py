"""Errors that satisfy both PyTorch's habits (RuntimeError) and Python's (ValueError, TypeError)."""


class ShapeError(RuntimeError, ValueError):
    """Shapes that do not fit together; names the op and the shapes."""


class DTypeError(NotImplementedError, TypeError):
    """A dtype that an op cannot take or a cast that would lose its kind (PyTorch: NotImplementedError, a RuntimeError)."""


class DataError(DTypeError, ValueError):
    """What is no tensor and cannot become one: text, None, dicts (PyTorch: RuntimeError, TypeError or ValueError, by chance)."""


class DeviceError(RuntimeError, ValueError):
    """Tensors on different devices, or a device that is not there."""


class DeviceMissing(DeviceError, AssertionError):
    """A device that this machine or this installation does not have (PyTorch: AssertionError for CUDA)."""


class BackwardError(RuntimeError):
    """A derivative that cannot be had: freed graph, overwritten value, no gradient."""


class LinAlgError(RuntimeError):
    """A matrix that an algorithm cannot handle (singular, not positive definite, no convergence)."""


class OutOfMemoryError(RuntimeError):
    """A device has no memory left for what was asked; ``lucid.cuda.OutOfMemoryError``."""
