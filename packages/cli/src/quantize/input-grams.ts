import { collectGrams } from '@vq4dit/core';
import type { LoadedModel, QuantizeJob } from './job.ts';
import type { LayerPlan } from './layers.ts';

/** Most bytes of Gram matrices at once; a layer of 4608 inputs has 170 MB. */
const MOST_BYTES = 2 ** 31;

/**
 * The mean of x x^T over the inputs of each layer, for layers that are asked for in their order. As many
 * as memory allows are taken in one walk along the trajectories; DiT-XL/2 needs three walks.
 */
export class InputGrams {
  private readonly runs: LayerPlan[][];
  private readonly job: QuantizeJob;
  private readonly loaded: LoadedModel;
  private readonly trajectories: number;
  private current: { run: number; grams: Map<string, Float64Array> } | undefined;

  constructor(
    job: QuantizeJob,
    loaded: LoadedModel,
    plans: readonly LayerPlan[],
    {
      trajectories = job.settings.budget.trajectories,
      mostBytes = MOST_BYTES,
    }: { readonly trajectories?: number; readonly mostBytes?: number } = {},
  ) {
    this.trajectories = trajectories;
    this.job = job;
    this.loaded = loaded;
    this.runs = [];
    let room = 0;
    for (const plan of plans) {
      const bytes = 8 * plan.columns ** 2;
      if (this.runs.length === 0 || bytes > room) {
        this.runs.push([]);
        room = mostBytes;
      }
      this.runs.at(-1)!.push(plan);
      room -= bytes;
    }
  }

  /** [columns, columns] */
  async of(plan: LayerPlan): Promise<Float64Array> {
    const run = this.runs.findIndex((plans) => plans.some(({ name }) => name === plan.name));
    if (this.current?.run !== run) this.current = { run, grams: await this.collect(run) };
    return this.current.grams.get(plan.name)!;
  }

  private collect(run: number): Promise<Map<string, Float64Array>> {
    this.current = undefined; // before the next ones need its room
    const { ops, stack, source } = this.loaded;
    return collectGrams(ops, {
      ...{ stack, source, trajectories: this.trajectories },
      layers: new Set(this.runs[run]!.map(({ name }) => name)),
      onStep: (done, total) =>
        this.job.onStatistics?.(run * total + done, this.runs.length * total),
    });
  }
}
