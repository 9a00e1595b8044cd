"""The training loop, top to bottom: read it as the recipe of what a step does. Built on pytorch-ignite.

Every step is a function of (weights, step number, seed): batches, augmentation and learning rate are looked up by the
step. So a run that was killed goes on from its last checkpoint with the very figures it would have had.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from torch import nn

from pipeline import ctrl_c
from pipeline.errors import SemblanceError
from pipeline.records import Progress, silent
from training import recipes
from training.data.augment import views
from training.data.pixels import Pixels
from training.data.prepared import Prepared
from training.loop import optimisers, schedule
from training.loop.checkpoints import Checkpoint, collapse_advice
from training.loop.dev import Dev
from training.loop.timing import paces
from training.objectives._objective import Context, Objective
from training.recipes import CLASSIFICATION, Recipe
from training.runs import Run

RECORD = 50  # steps between lines of metrics.jsonl
DEV_PARTS = 24  # dev measurements in a run
CHECK_STEPS = 10  # steps between looks at what makes a GPU or the other processes wait: a loss gone wrong, a Ctrl-C


class Loop:
    """One process's part of a run. `train` is the only way in; what it leaves is in the run's folder."""

    def __init__(
        self,
        run: Run,
        data: Prepared,
        network: nn.Module,
        recipe: Recipe,
        *,
        device: torch.device,
        imprint: bool = False,
        pixels: Pixels | None = None,
        plan: Callable[[Callable[[], dict[int, schedule.Pace]]], schedule.Schedule],
        compile: bool = False,
        checkpoint_seconds: float = 120.0,
        progress: Progress = silent,
    ) -> None:
        """network: on the device, channels_last. pixels: of the data, where they are at hand. plan: asked once for the schedule, with what measures the phases' paces."""
        self.run, self.data, self.recipe, self.device, self.progress = run, data, recipe, device, progress
        self.rank, self.world = idist.get_rank(), idist.get_world_size()
        self.network, self.forward = network, torch.compile(network) if compile else network
        self.train_rows = data.split("train", open_set=False if recipe.open_set else None)
        dev_rows = data.split("dev", open_set=False if recipe.open_set else None)
        self.labels = torch.from_numpy(data.labels)
        self.n_labels = len(data.about["labels"])
        self.losses = recipes.modules(recipe, dim=network.options["dim"], n_labels=self.n_labels).to(device)
        self.pixels = pixels or Pixels(data, device)
        self.dev = Dev(data, self.pixels, side=recipe.test_side, rows=dev_rows)
        self.optimiser = optimisers.build(recipe, network, self.losses)
        self._ema = EMAHandler(network, momentum=0.5, handle_buffers="copy")  # its momentum comes with the schedule
        self.average: nn.Module = self._ema.ema_model
        self.checkpoint = Checkpoint(run, network, self.average, self.losses, self.optimiser, every=checkpoint_seconds)
        self.objective: Objective | None = None
        self.amp = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported())
        self._sums: dict[str, list[float]] = {}
        self._stop = False  # several processes agree on it every few steps only
        self._plan, self._imprint = plan, imprint
        self.rehearses = False  # a phase, only to see how long it takes
        self._joined = torch.empty(0)  # of a phase that trains the head only: (n, width), a row a training picture
        self._spent, self._begun = 0.0, time.monotonic()

    def train(self) -> str:
        """Run to the end, from the last checkpoint if there is one. Returns finished, or stopped after Ctrl-C."""
        done = 0
        if self.run.last.exists():
            done, self._sums = self.checkpoint.load(self.device)
        made = self.run.about().get("schedule") or [
            asdict(stretch) for stretch in self._plan(lambda: paces(self)).stretches
        ]
        self.schedule = schedule.Schedule(self.recipe, [schedule.Stretch(**stretch) for stretch in made])
        steps = self.schedule.steps
        if self.rank == 0:
            self.run.update(schedule=made, steps=steps, status="running", device=str(self.device), pid=os.getpid())
        self._measured_every = max(RECORD, steps // DEV_PARTS)
        self._spent = max((line["seconds"] for line in self.run.metrics("train") if line["step"] <= done), default=0.0)
        self._begun = time.monotonic()
        self._window = (self._begun, done)

        engine = Engine(lambda engine, _: self.step(engine.state.iteration - 1))
        engine.load_state_dict({"iteration": done, "max_epochs": 1, "epoch_length": steps})
        self._ema.momentum = 1 / max(2.0, self.recipe.averaging * steps)
        self._ema.attach(engine)
        every = Events.ITERATION_COMPLETED
        engine.add_event_handler(every(every=CHECK_STEPS), self._check)
        engine.add_event_handler(every(every=RECORD), self._record)
        engine.add_event_handler(every(every=self._measured_every), self._measure)
        engine.add_event_handler(every(every=CHECK_STEPS if self.world > 1 else 1), self._agree)
        engine.add_event_handler(every, self._end_phase)
        engine.add_event_handler(every, self._save)
        with ctrl_c.noted() as self._asked:
            if done < steps:
                engine.run(range(steps - done), max_epochs=1, epoch_length=steps)
        return "finished" if engine.state.iteration >= steps else "stopped"

    # what a step does

    def step(self, step: int) -> torch.Tensor:
        """One update, in place. Returns the loss, (), of this process's part of the batch."""
        moment = self.schedule.at(step)
        phase = self.recipe.phases[moment.phase]
        if self.objective is None or moment.begins_phase:
            self.begin(moment.phase, fresh=moment.begins_phase)
            self._window = (time.monotonic(), step)
        assert self.objective is not None
        for group in self.optimiser.param_groups:
            group["lr"] = moment.lr
        chance = torch.Generator().manual_seed((self.recipe.seed << 40) + step * self.world + self.rank)
        torch.manual_seed(chance.initial_seed())  # dropout and miners draw from torch's own
        rows = self.objective.rows(step, rank=self.rank, world=self.world)
        labels = self.labels[rows].to(self.device)
        shares = nn.functional.one_hot(labels, self.n_labels).float()
        if phase.head_only:
            outputs = self.network.project(self.head_inputs(rows))
        else:
            pictures, shares = views(
                self.pixels, rows, shares, self.recipe,
                side=moment.side, crop_min=phase.crop_min, mixes=self.objective.mixes, chance=chance,
            )  # fmt: skip
            self.objective.pictures = pictures
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
                outputs = self.forward(pictures) if self.objective.unit else self._outputs(pictures)
        outputs = outputs.float()  # (n, dim); bf16 is too coarse for distances
        embeddings = nn.functional.normalize(outputs, dim=1)
        loss = self.objective.loss(embeddings if self.objective.unit else outputs, labels, shares)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in self.optimiser.param_groups for p in group["params"] if p.grad is not None]
        if self.world > 1:
            optimisers.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        self.optimiser.step()
        if step % RECORD >= RECORD - 5:  # five batches give the means: reading a GPU's numbers makes it wait
            figures = {"loss": float(loss.detach()), **self.objective.figures(embeddings.detach(), labels)}
            for name, value in figures.items():
                self._sums.setdefault(name, []).append(value)
        return loss.detach()

    def begin(self, number: int, *, fresh: bool) -> None:
        """Set up a phase's objective; after a resume (not fresh), exactly as it was."""
        phase = self.recipe.phases[number]
        if phase.head_only:
            self._joined = self.pixels.joined(
                self.network, self.train_rows, side=self.recipe.test_side,
                folder=self.run.root if self.recipe.sampler == "reservoir" else None,
            )  # fmt: skip
            if fresh:
                self.network.settle(self.head_inputs(self.train_rows[:: max(1, len(self._joined) // 8_192)]))
                self.average.load_state_dict(self.network.state_dict())
        if fresh and number == 0 and self._imprint:
            self._begin_classifier()
        self.objective = recipes.objective(phase.objective)
        self.objective.begin(Context(
            self.run, self.data, self.recipe, self.train_rows, phase.batch or self.recipe.batch_size,
            module=self.losses[phase.name], classifier=self.losses[CLASSIFICATION], embed=self._embedded,
            writes=self.rank == 0 and not self.rehearses, progress=self.progress,
        ))  # fmt: skip
        self.network.train()
        if self.objective.keeps_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        if phase.head_only:
            self.network.eval()
        for group in self.optimiser.param_groups:
            group["weight_decay"] = phase.weight_decay * group["decays"]

    def _outputs(self, pictures: torch.Tensor) -> torch.Tensor:
        """The network's without their L2 norm, for losses that want the length."""
        return self.network.outputs(self.network.join(pictures))

    @torch.no_grad()
    def _begin_classifier(self) -> None:
        """With each label's mean embedding: what trained weights already know of the labels."""
        rows = self.train_rows[:: max(1, len(self.train_rows) // (50 * self.n_labels))]
        embeddings, labels = torch.from_numpy(self._embedded(rows)), self.labels[rows]
        sums = torch.zeros(self.n_labels, embeddings.shape[1]).index_add_(0, labels, embeddings)
        weight = self.losses[CLASSIFICATION].weight
        present = sums.norm(dim=1, keepdim=True).to(weight) > 0
        weight.copy_(torch.where(present, nn.functional.normalize(sums).to(weight), weight))

    @torch.no_grad()
    def _embedded(self, rows: np.ndarray) -> np.ndarray:
        """(n, dim) of training pictures by the averaged weights; a head's phase has their way through the rest."""
        if not len(self._joined):
            return self.pixels.embed(self.average, rows, side=self.recipe.test_side)
        parts = np.array_split(rows, len(rows) // 4096 + 1)
        return np.concatenate([self.average.project(self.head_inputs(part)).cpu().numpy() for part in parts])

    def head_inputs(self, rows: np.ndarray) -> torch.Tensor:
        """(n, width) float32 of training pictures, on the device."""
        return self._joined[np.searchsorted(self.train_rows, rows)].to(self.device).float()

    def put_back(self) -> None:
        """As before the first step, but for weights."""
        self.optimiser.state.clear()
        self.objective, self._sums, self._joined, self.rehearses = None, {}, torch.empty(0), False

    # what happens between steps

    def _record(self, engine: Engine) -> None:
        step = engine.state.iteration
        moment = self.schedule.at(step - 1)
        figures = {name: round(float(np.mean(values)), 5) for name, values in self._sums.items()}
        self._sums = {}
        phase, now = self.recipe.phases[moment.phase], time.monotonic()
        (since, before), self._window = self._window, (now, step)
        rate = (step - before) * (phase.batch or self.recipe.batch_size) / (now - since)
        cost = self.schedule.cost
        left = (now - since) * cost(step, self.schedule.steps) / max(1.0, cost(before, step))
        if self.rank == 0:
            self.run.record(
                "train", step=step, seconds=round(self._spent + now - self._begun, 1), stage=phase.name,
                side=moment.side, lr=round(moment.lr, 6), images_per_second=round(rate, 1), seconds_left=round(left),
                **figures,
            )  # fmt: skip
            self.progress("train", step, self.schedule.steps)

    def _measure(self, engine: Engine) -> None:
        if self.rank == 0:
            self._check(engine)
            step = engine.state.iteration
            figures, shown = self.dev.figures(self.average)
            self.run.record("dev", step=step, seconds=round(self._spent + time.monotonic() - self._begun, 1), **figures)
            assert self.objective is not None
            self.checkpoint.keep_best(figures, last=self.objective.last_is_best)
            self.checkpoint.show(shown, self.pixels)
            if advice := collapse_advice(figures, dim=self.network.options["dim"], n_labels=self.n_labels):
                print(f"warning: {advice}", file=sys.stderr, flush=True)
                self.run.update(warning=advice)
        idist.barrier()
        self._window = (time.monotonic(), engine.state.iteration)  # the rate is that of steps

    def _end_phase(self, engine: Engine) -> None:
        """A phase's last averaged weights stay, to be compared with what comes after; the next one begins from them."""
        step = engine.state.iteration
        number = self.schedule.at(step - 1).phase
        if step != self.schedule.bounds(number)[1]:
            return
        if self.world > 1:
            optimisers.share_buffers(self.network)
        if step % self._measured_every:
            self._measure(engine)
        if self.rank == 0:
            self.checkpoint.keep_phase(self.recipe.phases[number].name)
        if step < self.schedule.steps:
            self.network.load_state_dict(self.average.state_dict())
            self.optimiser.state.clear()
            self.checkpoint.forget_best()
        self._save(engine, now=True)

    def _check(self, engine: Engine) -> None:
        if not torch.isfinite(engine.state.output):
            raise SemblanceError(
                f"the loss is no finite number any more at step {engine.state.iteration:,}: the weights have diverged. "
                "Train again under a new --name with a lower --lr; the best weights so far stay in this run"
            )

    def _agree(self, engine: Engine) -> None:
        """Processes hear Ctrl-C at different steps; they stop at the same one, or some would wait for the others' part."""
        self._stop = bool(idist.all_reduce(float(self._asked())))

    def _save(self, engine: Engine, *, now: bool = False) -> None:
        if self.rank == 0 and (now or self._stop or self.checkpoint.due()):
            self._check(engine)
            self.checkpoint.save(engine.state.iteration, self._sums)
        if self._stop:
            engine.terminate()
