#!/bin/sh
# Demo 8 of 8: a script written for a cluster. Tidegate reads its #SBATCH lines in Slurm's own units.
#SBATCH --job-name=slurm-style
#SBATCH --cpus-per-task=1
#SBATCH --mem=200M
#SBATCH --time=5
set -eu

echo "Slurm would call this job ${SLURM_JOB_ID:-unknown}; it was given ${SLURM_CPUS_PER_TASK:-1} core(s)."
round=1
while [ "$round" -le 4 ]; do
    # How long numbers take to fall to 1 when even ones are halved and odd ones tripled plus one.
    awk -v round="$round" 'BEGIN {
        first = (round - 1) * 60000 + 1; last = round * 60000
        for (start = first; start <= last; start++) {
            steps = 0
            for (n = start; n != 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2
            if (steps > longest) { longest = steps; which = start }
        }
        printf "round %d: from %d to %d the longest way has %d steps and starts at %d\n", round, first, last, longest, which
    }'
    round=$((round + 1))
done
echo "Done."
