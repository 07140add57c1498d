import { openModel } from '@vq4dit/checkpoint';
import { ArgumentError, VqWeight } from '@vq4dit/core';
import { DiTWeights } from '@vq4dit/dit';
import {
  candidateRanks,
  type GradientAgreement,
  gradientAgreement,
  weightGradients,
} from '@vq4dit/evaluation';
import type { CommandContext } from '../context.ts';

/** Most labels that are looked at; models have up to 1000. */
const MAX_LABELS = 10;

/** A quantized model that is looked at. */
export interface Subject {
  readonly title: string;
  readonly path: string;
}

/** What is looked at, and how closely. */
export interface DiagnosisJob {
  readonly model: string;
  readonly config?: string | undefined;
  /** The plain k-means quantization; the others began with it. */
  readonly before: Subject;
  readonly after: readonly Subject[];
  readonly steps: number;
  readonly seed: number;
  /** Pairs of sub-vectors drawn from each layer for the histogram. */
  readonly pairs: number;
}

/** Agreement of the gradients of one layer. */
export interface LayerAgreement extends GradientAgreement {
  readonly name: string;
}

/** What was found about one quantized model. */
export interface Finding {
  readonly title: string;
  readonly path: string;
  readonly layers: readonly LayerAgreement[];
  /** Means over layers, weighted by pairs. */
  readonly shared: number;
  readonly all: number;
  /** Share of the drawn pairs whose gradients point away from each other (cosine below 0). */
  readonly opposed: number;
  /** Share of sub-vectors with their 1st, 2nd, ... nearest codeword, then any other; after calibration. */
  readonly ranks?: readonly number[];
}

/** Looks at the plain quantization and at each calibrated one in turn. */
export async function runDiagnosis(context: CommandContext, job: DiagnosisJob): Promise<Finding[]> {
  const findings: Finding[] = [];
  const before = await vqWeights(job.before);
  for (const subject of [job.before, ...job.after]) {
    const weights = subject === job.before ? before : await vqWeights(subject);
    const layers = await agreements(context, job, subject, weights);
    const ranks = subject === job.before ? undefined : await ranksOf(context, job, before, weights);
    const pairs = layers.reduce((sum, layer) => sum + layer.pairs, 0);
    const mean = (key: 'shared' | 'all') =>
      layers.reduce((sum, layer) => sum + (layer.pairs > 0 ? layer[key] * layer.pairs : 0), 0) /
      pairs;
    const drawn = layers.flatMap(({ sample }) => sample);
    findings.push({
      ...{ title: subject.title, path: subject.path, layers },
      ...{ shared: mean('shared'), all: mean('all') },
      opposed: drawn.filter((cosine) => cosine < 0).length / drawn.length,
      ...(ranks && { ranks }),
    });
  }
  return findings;
}

/** The quantized layers of an artefact, by name. */
async function vqWeights({ path }: Subject): Promise<Map<string, VqWeight>> {
  const file = await openModel(path);
  try {
    const weights = new Map<string, VqWeight>();
    for (const { name } of file.quantizedLayers()) {
      const weight = await file.readQuantized(name);
      if (weight instanceof VqWeight) weights.set(name, weight);
    }
    if (weights.size === 0) {
      throw new ArgumentError(
        `${path}: it has no vector-quantized layers; there is nothing to see.`,
      );
    }
    return weights;
  } finally {
    await file.close();
  }
}

async function agreements(
  { ops: start, reporter, signal }: CommandContext,
  { model, config, steps, seed, pairs }: DiagnosisJob,
  subject: Subject,
  weights: ReadonlyMap<string, VqWeight>,
): Promise<LayerAgreement[]> {
  const ops = await start();
  const original = await openModel(model, config ? { configPath: config } : {});
  const quantized = await openModel(subject.path);
  const task = reporter.task('Gradients', steps);
  try {
    using teacher = await DiTWeights.load(ops, original.config, original);
    using student = await DiTWeights.load(ops, quantized.config, quantized);
    const classes = Math.min(MAX_LABELS, original.config.numClasses);
    const gradients = await weightGradients(ops, teacher, student, {
      layers: [...weights.keys()],
      labels: Array.from({ length: classes }, (_, i) => i),
      ...{ steps, seed, signal },
      onStep: (done) => task.update(done, subject.title),
    });
    return [...weights].map(([name, weight]) => ({
      name,
      ...gradientAgreement(weight, gradients.get(name)!, pairs, seed),
    }));
  } finally {
    task.end();
    await original.close();
    await quantized.close();
  }
}

/** Shares of the ranks over all layers. */
async function ranksOf(
  { reporter, signal }: CommandContext,
  { model, config }: DiagnosisJob,
  before: ReadonlyMap<string, VqWeight>,
  after: ReadonlyMap<string, VqWeight>,
): Promise<number[]> {
  const original = await openModel(model, config ? { configPath: config } : {});
  const task = reporter.task('Ranks', before.size);
  const counts: number[] = [];
  try {
    let done = 0;
    for (const [name, first] of before) {
      const second = after.get(name);
      if (!second) {
        throw new ArgumentError(`${name} is not quantized in both models; quantize both alike.`);
      }
      const data = await original.readFloat32(`${name}.weight`);
      const weight = { name, rows: first.rows, columns: first.columns, data };
      for (const [rank, count] of (await candidateRanks(weight, first, second, signal)).entries()) {
        counts[rank] = (counts[rank] ?? 0) + count;
      }
      task.update(++done, name);
    }
  } finally {
    task.end();
    await original.close();
  }
  const total = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / total);
}
