import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel } from '@vq4dit/checkpoint';
import { UniformWeight } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { fail, json, start, succeed } from './support/cli.ts';
import { sameFolders, TINY, temporaryFolder } from './support/models.ts';

const folder = await temporaryFolder();
const at = (name: string) => join(folder, name);
const FAST = ['--trajectories', '2', '--steps', '3', '--batch', '2'];
/** Weight matrices of the model: rows of 32 weights but for mlp.fc2, which has 64. */
const LAYERS = 10;

async function layersOf(path: string) {
  const model = await openModel(path);
  try {
    const layers: UniformWeight[] = [];
    for (const { name } of model.quantizedLayers()) {
      layers.push((await model.readQuantized(name)) as UniformWeight);
    }
    return { layers, infos: model.quantizedLayers(), info: model.artefact! };
  } finally {
    await model.close();
  }
}

interface Verified {
  readonly layers: readonly { readonly name: string; readonly mse?: number }[];
  readonly total: { readonly mse?: number };
  readonly changed: readonly string[];
  readonly bitsPerWeight: number;
  readonly errors: { readonly block: number };
}
const verify = (out: string) =>
  json<Verified>(['verify', TINY, out, '--blocks', '--steps', '2', '--repeats', '1']);

describe('quantize on uniform grids', () => {
  it.each([
    ['uniform', 'channel', 32, []],
    ['uniform', 'group', 8, ['--group-size', '8', '--clipping', 'mse']],
    ['gptq', 'group', 16, ['--group-size', '16']],
    ['gptq', 'channel', 32, ['--granularity', 'channel', '--act-order', '--damping', '0.1']],
    ['repq', 'channel', 32, []],
  ])('--method %s per %s of %i weights %j', async (method, granularity, size, flags) => {
    const out = at(`${method}-${granularity}`);
    const data = method === 'uniform' ? [] : FAST;
    const args = ['quantize', TINY, out, '--method', method, '--bits', '3', ...data, ...flags];
    const { stderr } = await succeed(args);
    expect(stderr).toContain(`Quantization ${LAYERS}/${LAYERS}`);
    expect(stderr).not.toContain('codewords, for lack of');
    // Rounding needs no device; the others walk trajectories on one.
    expect(stderr.includes('Backend: ')).toBe(method !== 'uniform');
    const { layers, info } = await layersOf(out);
    expect(info).toMatchObject({ method, bits: 3, uniform: { granularity } });
    expect(layers).toHaveLength(LAYERS);
    for (const layer of layers) {
      expect(layer).toBeInstanceOf(UniformWeight);
      expect(layer.bits).toBe(3);
      const whole = granularity === 'channel' && layer.columns > size;
      expect(layer.groupSize).toBe(whole ? layer.columns : size);
    }
    const { errors, bitsPerWeight } = await verify(out);
    // A scale of 16 bits and a zero point of 3 for each group; mlp.fc2 has rows of twice the length.
    expect(bitsPerWeight).toBeLessThanOrEqual(3 + 19 / size);
    expect(errors.block).toBeGreaterThan(0);
    expect(errors.block).toBeLessThan(1);
  });

  it('GPTQ loses less of the blocks than rounding to the same grids', async () => {
    const grid = ['--bits', '2', '--group-size', '16'];
    await succeed(['quantize', TINY, at('rtn'), '--method', 'uniform', ...grid]);
    await succeed(['quantize', TINY, at('gptq-2'), '--method', 'gptq', ...grid, ...FAST]);
    const [rounded, gptq] = [await verify(at('rtn')), await verify(at('gptq-2'))];
    expect(gptq.bitsPerWeight).toBe(rounded.bitsPerWeight);
    expect(gptq.errors.block).toBeLessThan(rounded.errors.block);
  });

  it('Q-DiT gives layers group sizes of their own, and needs no more bits than the budget', async () => {
    const grid = ['--bits', '3', '--group-size', '48'];
    await succeed(['quantize', TINY, at('budget'), '--method', 'uniform', ...grid]);
    const { stderr } = await succeed([
      ...['quantize', TINY, at('qdit'), '--method', 'qdit', ...grid, ...FAST],
    ]);
    expect(stderr).toContain(`Group sizes ${LAYERS}/${LAYERS}`);
    const { layers, info } = await layersOf(at('qdit'));
    expect(info).toMatchObject({ method: 'qdit', uniform: { granularity: 'group' } });
    for (const { groupSize, columns } of layers) {
      expect([32, 48, 64]).toContain(groupSize);
      expect(groupSize).toBeLessThanOrEqual(columns);
    }
    const [budget, own] = [await verify(at('budget')), await verify(at('qdit'))];
    expect(own.bitsPerWeight).toBeLessThanOrEqual(budget.bitsPerWeight);
  });

  it('RepQ-ViT stores an equivalent model, whose weights are not compared with the original', async () => {
    const flags = ['--method', 'repq', '--bits', '8', ...FAST];
    await succeed(['quantize', TINY, at('repq-8'), ...flags]);
    await succeed(['quantize', TINY, at('uniform-8'), '--method', 'uniform', '--bits', '8']);
    const [repq, uniform] = [await verify(at('repq-8')), await verify(at('uniform-8'))];
    const moved = ['attn.qkv', 'mlp.fc1', 'adaLN_modulation.1'];
    for (const { name, mse } of repq.layers) {
      const own = moved.some((layer) => name.endsWith(layer));
      expect(mse === undefined).toBe(own);
    }
    expect(repq.total.mse).toBeUndefined();
    expect(repq.changed).toHaveLength(6); // biases of three layers in two blocks
    // What the weights have taken up the modulation has lost: at 8 bits the blocks hardly change.
    expect(repq.errors.block).toBeLessThan(10 * uniform.errors.block);
    const { stdout } = await succeed(['verify', TINY, at('repq-8')]);
    expect(stdout).toContain('changed together with their neighbours');
    const half = ['--include', 'blocks.0.mlp.fc1'];
    await fail(
      ['quantize', TINY, at('bad/half'), ...flags, ...half],
      /changes blocks\.0\.mlp\.fc1 together with blocks\.0\.adaLN_modulation\.1/,
    );
    expect(existsSync(at('bad'))).toBe(false);
  });

  it.each(['gptq', 'qdit', 'repq'])(
    '%s goes on after it was killed, to the same bytes',
    async (method) => {
      const args = ['--method', method, '--bits', '2', ...FAST, '--seed', '4'];
      await succeed(['quantize', TINY, at(`${method}-whole`), ...args]);
      const out = at(`${method}-killed`);
      const run = start(['quantize', TINY, out, ...args]);
      const finished = async () =>
        (await readdir(`${out}.work`).catch(() => [])).some((name) => name.startsWith('layer-'));
      while (!(await finished()) && run.child.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      run.child.kill('SIGKILL');
      await run.outcome;
      await succeed(['quantize', TINY, out, ...args]);
      expect(await sameFolders(at(`${method}-whole`), out)).toBe(true);
      expect(existsSync(`${out}.work`)).toBe(false);
    },
  );

  it.each([
    [['--method', 'gptq', '--codewords', '16'], /--codewords has no meaning with --method gptq/],
    [['--method', 'vq', '--group-size', '16'], /--group-size has no meaning with --method vq/],
    [['--method', 'vq4dit', '--act-order'], /--act-order has no meaning with --method vq4dit/],
    [['--method', 'uniform', '--damping', '1'], /--damping has no meaning with --method uniform/],
    [['--method', 'qdit', '--granularity', 'channel'], /--granularity has no meaning/],
    [['--method', 'uniform', '--bits', '1'], /Uniform codes have 2 to 8 bits, not 1/],
    [['--method', 'vq', '--bits', '5'], /--bits 5: codebooks have 1 to 4 bits per weight/],
  ])('%j is refused', async (flags, message) => {
    await fail(['quantize', TINY, at('bad/flags'), ...flags], message);
    expect(existsSync(at('bad'))).toBe(false);
  });
});
