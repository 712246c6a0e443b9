"""A busy machine for looking at the window: an hour of readings and jobs in every status on a FakeDesk."""

from __future__ import annotations

import math
import time

from support.fake_desk import FakeDesk, a_machine_view
from tidegate.engine.views import CardView, EstimateView, GpuView, MachineSample, UsageView, WaitView

GIB = 1024**3

LOG = b"""epoch 1/90  loss 2.314  acc 0.31
epoch 2/90  loss 1.902  acc 0.44
\x1b[32mcheckpoint written\x1b[0m
 10%|#         | 8/80\r 55%|#####     | 44/80\r100%|##########| 80/80
epoch 3/90  loss 1.640  acc 0.52
warning: 3 images could not be read and were left out
epoch 4/90  loss 1.488  acc 0.57
"""


def _cards() -> tuple[CardView, ...]:
    name = "NVIDIA GeForce RTX 3090"
    return (
        CardView(0, "GPU-0", name, "normal", 24 * GIB, int(18.2 * GIB), 93.0, 71.0, 310.0, 1.0, 18 * GIB),
        CardView(1, "GPU-1", name, "normal", 24 * GIB, 200 * 1024**2, 0.0, 38.0, 21.0, 0.0, 0),
    )


def a_busy_desk(now: float | None = None) -> FakeDesk:
    """Sixteen cores, 64 GB, two cards; three jobs running, one paused, three waiting, four finished."""
    now = time.time() if now is None else now
    desk = FakeDesk()
    desk.set_status(
        machine=a_machine_view(
            at=now,
            cores=16,
            cpu_pct=61.0,
            memory_total_bytes=64 * GIB,
            memory_available_bytes=int(10.6 * GIB),
            memory_used_pct=83.4,
            memory_other_bytes=10 * GIB,
            memory_reserved_bytes=int(44.8 * GIB),
            memory_headroom_bytes=int(5.5 * GIB),
            memory_line_bytes=int(58.9 * GIB),
            cards=_cards(),
        )
    )
    _add_active(desk, now)
    _add_waiting(desk, now)
    _add_finished(desk, now)
    for sample in an_hour_of_samples(now):
        desk._samples.append(sample)  # published one by one they would only be in the way
    desk.write_log("1", LOG * 8)
    desk.write_log("8", b"convert.sh: line 4: magick: command not found\n")
    return desk


def _add_active(desk: FakeDesk, now: float) -> None:
    def live(id: str, name: str, command: tuple[str, ...], ago: float, memory: float, reserved: float, **more: object):
        desk.add(
            id,
            name=name,
            command=command,
            cwd="/home/ada/vision",
            status=more.pop("status", "running"),
            submitted_at=now - ago - 60,
            started_at=now - ago,
            attempts=1,
            waits=more.pop("waits", ()),
            usage=UsageView(int(memory * GIB), int(reserved * GIB), int(memory * GIB), 3.9, 5, ago * 3.6),
            **more,
        )

    known = EstimateView(int(13.9 * GIB), "learned", 4.0, GpuView(1.0, text="1"), 5000.0)
    live(
        "1",
        "train_vit.py --epochs 90",
        ("python3", "train_vit.py", "--epochs", "90"),
        3100,
        13.4,
        13.9,
        estimate=known,
        devices=(0,),
    )
    live(
        "3",
        "embed.ipynb",
        ("jupyter", "nbconvert", "embed.ipynb"),
        1900,
        11.6,
        12.1,
        estimate=EstimateView(int(12.1 * GIB), "learned", 4.0, None, 5000.0),
        devices=(0,),
    )
    live("4.3", "sweep.sh", ("bash", "sweep.sh"), 760, 9.4, 9.8, estimate=EstimateView(int(9.8 * GIB), "declared", 4.0))
    live(
        "2",
        "render.sh",
        ("bash", "render.sh", "--scene", "harbour at dawn.blend"),
        2500,
        9.0,
        9.0,
        status="paused",
        why="paused for memory",
        waits=(
            WaitView(
                "paused", "for memory, resumes when 9 GB are free", {"needed_bytes": 9.0 * GIB, "free_bytes": 5.5 * GIB}
            ),
        ),
    )


def _add_waiting(desk: FakeDesk, now: float) -> None:
    desk.add(
        "5",
        name="finetune.py",
        command=("python3", "finetune.py"),
        submitted_at=now - 700,
        priority=4,
        estimate=EstimateView(int(12.5 * GIB), "declared", 4.0, GpuView(1.0, text="1")),
        waits=(
            WaitView(
                "memory", "needs 12.5 GB, 5.5 free", {"needed_bytes": 12.5 * GIB, "free_bytes": 5.5 * GIB}, now + 1300
            ),
            WaitView("dependency", "after embed.ipynb", {}, now + 900),
        ),
    )
    desk.add(
        "6",
        name="report.R",
        command=("Rscript", "report.R"),
        submitted_at=now - 650,
        estimate=EstimateView(2 * GIB, "default", 1.0),
        waits=(WaitView("dependency", "after finetune.py"),),
    )
    desk.add(
        "7",
        name="sweep_learning_rates_and_batch_sizes_for_the_second_ablation.py",
        status="held",
        command=("python3", "sweep.py"),
        submitted_at=now - 500,
        waits=(WaitView("held", "held by you"),),
    )


def _add_finished(desk: FakeDesk, now: float) -> None:
    for id, name, outcome, code, ago, took, peak in (
        ("8", "convert.sh", "failed", 2, 1500, 4, 0.02),
        ("9", "thumbnails.sh", "succeeded", 0, 1700, 320, 1.2),
        ("10", "eat_memory.py", "out_of_memory", None, 2300, 61, 21.0),
        ("11", "long_wait.sh", "cancelled", None, 2900, 3, 0.01),
    ):
        desk.add(id, name=name, command=("bash", name), submitted_at=now - ago - took - 30)
        desk.change(
            id,
            status="finished",
            outcome=outcome,
            exit_code=code,
            attempts=1,
            waits=(),
            started_at=now - ago - took,
            finished_at=now - ago,
            usage=UsageView(None, None, int(peak * GIB)),
            why="stopped at 21 GB; ask for more with --mem" if outcome == "out_of_memory" else None,
        )


def an_hour_of_samples(now: float, step_s: float = 1.0) -> list[MachineSample]:
    """Bands that rise, settle and wobble a little, as real ones do."""
    plan = (("1", 3100, 13.4), ("2", 2500, 9.0), ("3", 1900, 11.6), ("4.3", 760, 9.4))
    made = []
    for i in range(int(3600 / step_s)):
        at = now - 3600 + i * step_s
        jobs = []
        for id, ago, full in plan:
            age = at - (now - ago)
            if age < 0:
                continue
            level = full * min(1.0, age / 420) ** 0.6 + 0.15 * math.sin(at / 37 + ago)
            cores = 0.0 if id == "2" and now - at < 300 else 2.2 + math.sin(at / 61 + ago) * 0.6
            jobs.append((id, int(max(0.1, level) * GIB), cores))
        other = int((10 + 0.7 * math.sin(at / 400) + 0.2 * math.sin(at / 23)) * GIB)
        ours = sum(size for _, size, _ in jobs)
        cpu = (sum(cores for _, _, cores in jobs) + 1.5 + 0.5 * math.sin(at / 50)) / 16 * 100
        card = int((4 + 14 * min(1.0, max(0.0, (at - now + 3100) / 600))) * GIB)
        made.append(
            MachineSample(
                at,
                "NORMAL",
                cpu,
                64 * GIB,
                other + ours,
                other,
                0,
                ours,
                len(jobs),
                3,
                tuple(jobs),
                ((0, 93.0, card, 71.0, 310.0), (1, 0.0, 200 * 1024**2, 38.0, 21.0)),
                card_jobs=_on_the_card([id for id, _, _ in jobs], card),
            )
        )
    return made


def _on_the_card(ids: list[str], used: int) -> tuple[tuple[int, str, int], ...]:
    """Two thirds of card 0 are the first job's, a little the third one's."""
    shares = {"1": 0.66, "3": 0.2}
    return tuple((0, id, int(used * shares[id])) for id in ids if id in shares)
