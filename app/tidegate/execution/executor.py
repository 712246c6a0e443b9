"""The executor: turns decided actions into requests to the process helper, with everything a run needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tidegate.core.job import Attempt, Job, JobId
from tidegate.core.texts import fill_output_name
from tidegate.engine.ports import Processes, StartRequest


class Executor:
    """Carries actions out on ``processes``. Knows no State: what to do was decided and checked before.

    ``log_path(job id, attempt number)`` says where output goes; ``card_uuid(index)`` names a card for CUDA.
    """

    def __init__(
        self,
        processes: Processes,
        log_path: Callable[[str, int], str],
        log_cap_bytes: Callable[[], int],
        card_uuid: Callable[[int], str | None],
    ) -> None:
        self._processes = processes
        self._log_path = log_path
        self._log_cap_bytes = log_cap_bytes
        self._card_uuid = card_uuid

    def start(self, jobs: Sequence[Job], behind: Mapping[JobId, str] | None = None) -> None:
        """Ask for these runs; their intents are already on disk (D10)."""
        places = behind or {}
        self._processes.start([self.request(job, places.get(job.id)) for job in jobs])

    def revoke(self, jobs: Sequence[Job]) -> None:
        self._processes.revoke([job.attempts[-1].token for job in jobs])

    def request(self, job: Job, behind: str | None = None) -> StartRequest:
        """Everything the helper needs to run the job's newest attempt."""
        attempt = job.attempts[-1]
        spec = job.spec
        return StartRequest(
            token=attempt.token,
            job=str(job.id),
            attempt=attempt.number,
            command=spec.command,
            cwd=spec.cwd,
            environment=spec.environment,
            extra_environment=(*spec.extra_environment, *self._own_environment(job, attempt)),
            log_path=self._log_path(str(job.id), attempt.number),
            log_cap_bytes=self._log_cap_bytes(),
            stdout_path=_output_path(job, spec.stdout_path),
            stderr_path=_output_path(job, spec.stderr_path),
            behind=behind,
        )

    def _own_environment(self, job: Job, attempt: Attempt) -> list[tuple[str, str]]:
        """What D5 promises to every job."""
        variables = [("TIDEGATE_JOB_ID", str(job.id)), ("TIDEGATE_ATTEMPT", str(attempt.number))]
        if job.id.index is not None:
            variables.append(("TIDEGATE_ARRAY_INDEX", str(job.id.index)))
        if job.spec.slurm_names:
            cores = job.spec.cores if job.spec.cores is not None else 1
            variables.append(("SLURM_CPUS_PER_TASK", str(max(1, int(cores)))))
            variables.append(("SLURM_JOB_ID", str(job.id.number)))
            if job.id.index is not None:
                variables.append(("SLURM_ARRAY_TASK_ID", str(job.id.index)))
        if job.spec.device == "cpu":
            variables.append(("CUDA_VISIBLE_DEVICES", ""))
        elif attempt.devices:
            names = [self._card_uuid(index) or str(index) for index in attempt.devices]
            variables.append(("CUDA_VISIBLE_DEVICES", ",".join(names)))
        return variables

    def pause(self, job: Job) -> None:
        self._processes.pause(job.attempts[-1].token)

    def resume(self, job: Job) -> None:
        self._processes.resume(job.attempts[-1].token)

    def terminate(self, job: Job, grace_s: float) -> None:
        self._processes.terminate(job.attempts[-1].token, grace_s)

    def kill(self, job: Job) -> None:
        self._processes.kill(job.attempts[-1].token)


def _output_path(job: Job, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    return fill_output_name(pattern, number=job.id.number, index=job.id.index, name=job.spec.name)
