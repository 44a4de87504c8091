"""Write a SLURM script for a job file and submit it."""

from __future__ import annotations

import argparse

TEMPLATE = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node={tasks}
#SBATCH --cpus-per-task=1
#SBATCH --time={time}
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={log}
{options}
set -u

# One thread of BLAS and Numba a rank; compiled kernels on a disk of the node itself.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1
export NUMBA_CACHE_DIR=${{TMPDIR:-/tmp}}/hpcfl-$USER
export SRUN_CPUS_PER_TASK=${{SLURM_CPUS_PER_TASK:-1}}

# Each node compiles once, for itself.
srun --mpi=none --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 hpcfl warm {arguments} || exit

{launch} hpcfl train {arguments} --resume auto &
run=$!

# The warning reaches this shell only. Open MPI kills its ranks on TERM, so both become USR1.
trap 'kill -USR1 "$run"' USR1 TERM
while kill -0 "$run" 2>/dev/null; do wait "$run"; done
wait "$run"
code=$?

if [ "$code" -eq 75 ]; then  # stopped after a checkpoint
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("job", help="job file (TOML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the job file"
    )
    parser.add_argument("--nodes", type=int, default=1, help="nodes (default 1)")
    parser.add_argument("--ntasks-per-node", type=int, required=True, help="ranks on each node")
    parser.add_argument("--time", default="1:00:00", help="time limit, as SLURM spells it (default 1:00:00)")
    parser.add_argument("--launch", choices=("mpirun", "srun"), default="mpirun", help="srun is for MPICH only")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another option of sbatch, such as account=x",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the script, write and submit nothing")


def run(args: argparse.Namespace) -> int:
    """Write the script beside the run directory and hand it to sbatch."""
    import shutil
    import subprocess
    from pathlib import Path

    from hpcfl import config
    from hpcfl.errors import UsageError

    output = Path(config.load(args.job, tuple(args.set)).output)
    text = script(args, output.name, f"{output}.log")
    if args.dry_run:
        print(text, end="")
        return 0
    if shutil.which("sbatch") is None:
        raise UsageError(
            "there is no sbatch here: run this on the cluster's login node, or see the text with --dry-run"
        )
    path = output.with_name(output.name + ".sbatch")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done = subprocess.run(["sbatch", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"sbatch refused {path}: {done.stderr.strip()}")
    print(f"{done.stdout.strip()}: {path}, log in {output}.log; watch it with 'squeue --me'")
    return 0


def script(args: argparse.Namespace, name: str, log: str) -> str:
    """Return the text of the script."""
    import shlex

    total = args.nodes * args.ntasks_per_node
    changes = [f"--set {shlex.quote(change)}" for change in args.set]
    return TEMPLATE.format(
        name=shlex.quote(name),
        nodes=args.nodes,
        tasks=args.ntasks_per_node,
        time=args.time,
        log=shlex.quote(log),
        options="".join(f"#SBATCH --{option}\n" for option in args.option),
        arguments=" ".join([shlex.quote(args.job), *changes]),
        launch=f"mpirun -n {total}" if args.launch == "mpirun" else f"srun --mpi=pmi2 --ntasks={total}",
    )
