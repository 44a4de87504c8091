#!/usr/bin/env bash
# Installs SLURM from Debian's packages and starts it on this machine; safe to run again.
# Needs root. The tests marked `long` in this folder then run the batch scripts for real.
set -euo pipefail

command -v sbatch >/dev/null && command -v munged >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge >/dev/null
}

host=$(hostname -s)
mkdir -p /etc/slurm /run/munge /run/slurm /var/spool/slurmctld /var/spool/slurmd /var/log/slurm
chown munge: /run/munge
[ -f /etc/munge/munge.key ] || { mungekey --create; chown munge: /etc/munge/munge.key; }

cat >/etc/slurm/slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=5
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF

munge -n </dev/null >/dev/null 2>&1 || runuser -u munge -- munged --force
scontrol ping 2>/dev/null | grep -q UP || slurmctld
pid=$(cat /run/slurm/slurmd.pid 2>/dev/null || echo none)
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = slurmd ] || slurmd

for _ in $(seq 60); do
    state=$(sinfo --noheader --format %T 2>/dev/null || true)
    case $state in
        idle | mixed | allocated) echo "SLURM $(sinfo --version | cut -d' ' -f2) is up: $host $state"; exit 0 ;;
        down* | drain*) scontrol update nodename="$host" state=resume || true ;;
    esac
    sleep 1
done
echo "SLURM did not come up:" >&2
tail -n 20 /var/log/slurm/*.log >&2
exit 1
