import zlib

from setuptools import setup

zlib.Z_DEFAULT_COMPRESSION = zlib.Z_BEST_COMPRESSION  # type: ignore[misc]  # bdist_wheel cannot be told: the wheel is 1.5 kB smaller
setup()  # everything is in setup.cfg
