# The build writes _build_config.py (custom_ops/cmake/build_config.py.in); type checkers read this.
TF_VERSION: str
TF_DISTRIBUTION: str
CXX11_ABI: int
COMPILER: str
SOURCE_VERSION: str
