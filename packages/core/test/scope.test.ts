import { describe, expect, it } from 'vitest';
import { type Tensor, TensorLifetimeError, type TensorOps } from '../src/index.ts';
import { spyBackend } from './support/spy-backend.ts';

const tick = () => new Promise<void>((resolve) => setTimeout(resolve));
const live = (ops: TensorOps) => ops.memory().liveTensors;

describe('a scope', () => {
  it('frees what it made, except what it returns', async () => {
    const { ops, backend } = spyBackend();
    const y = ops.scope((s) => s.add(s.scalar(1), s.exp(s.scalar(0))));
    expect(live(ops)).toBe(1);
    expect(backend.liveBuffers!()).toBe(1);
    expect(await ops.readScalar(y)).toBe(2);
    y.dispose();
    expect(backend.liveBuffers!()).toBe(0);
  });

  it('keeps tensors in arrays, maps and plain objects at any depth', () => {
    const { ops } = spyBackend();
    const kept = ops.scope((s) => {
      s.scalar(0);
      const bare = Object.assign(Object.create(null) as { inner?: Tensor }, {
        inner: s.scalar(1),
      });
      return {
        list: [s.scalar(2), [s.scalar(3)]],
        map: new Map([['x', { deep: s.scalar(4) }]]),
        bare,
        other: { text: 'x', number: 5, nothing: null, typed: new Float32Array(3) },
      };
    });
    expect(live(ops)).toBe(4);
    expect(kept.map.get('x')!.deep.disposed).toBe(false);
    expect(kept.bare.inner!.disposed).toBe(false);
  });

  it('does not look into other objects, and does not follow cycles forever', () => {
    const { ops } = spyBackend();
    class Holder {
      readonly x: Tensor;
      constructor(x: Tensor) {
        this.x = x;
      }
    }
    expect(ops.scope((s) => new Holder(s.scalar(1))).x.disposed).toBe(true);
    interface Node {
      self?: Node;
      x: Tensor;
    }
    const cyclic = ops.scope((s) => {
      const node: Node = { x: s.scalar(1) };
      node.self = node;
      return node;
    });
    expect(cyclic.x.disposed).toBe(false);
    expect(live(ops)).toBe(1);
  });

  it('leaves tensors from outside alone, returned or not', () => {
    const { ops } = spyBackend();
    const x = ops.scalar(1);
    ops.scope((s) => s.exp(x));
    expect(ops.scope(() => x)).toBe(x);
    expect(x.disposed).toBe(false);
    expect(live(ops)).toBe(2);
  });

  it('does not mind tensors that were disposed inside', () => {
    const { ops } = spyBackend();
    const kept = ops.scope((s) => {
      s.scalar(1).dispose();
      const returned = s.scalar(2);
      returned.dispose();
      return returned;
    });
    expect(kept.disposed).toBe(true);
    expect(live(ops)).toBe(0);
  });

  it('frees everything when it fails', async () => {
    const { ops } = spyBackend();
    const fail = (s: TensorOps) => {
      s.scalar(1);
      throw new RangeError('stop');
    };
    expect(() => ops.scope(fail)).toThrow(RangeError);
    expect(live(ops)).toBe(0);
    const failLater = async (s: TensorOps) => {
      s.scalar(1);
      await tick();
      s.scalar(2);
      throw new RangeError('stop');
    };
    await expect(ops.scope(failLater)).rejects.toThrow(RangeError);
    expect(live(ops)).toBe(0);
  });

  it('gives back what is no tensor as it is', async () => {
    const { ops } = spyBackend();
    expect(ops.scope(() => 5)).toBe(5);
    expect(ops.scope(() => undefined)).toBeUndefined();
    expect(await ops.scope(async () => 'later')).toBe('later');
  });
});

describe('nested scopes', () => {
  it('hand what they return to the scope around them', () => {
    const { ops } = spyBackend();
    let inner: Tensor | undefined;
    const result = ops.scope((s) => {
      inner = s.scope((t) => t.exp(t.scalar(0)));
      expect(live(ops)).toBe(1);
      return s.add(inner, s.scalar(1));
    });
    expect(inner!.disposed).toBe(true);
    expect(result.disposed).toBe(false);
    expect(live(ops)).toBe(1);
  });

  it('survive the failure of an inner one', () => {
    const { ops } = spyBackend();
    const result = ops.scope((s) => {
      const before = s.scalar(1);
      expect(() =>
        s.scope((t) => {
          t.scalar(2);
          throw new Error('inner');
        }),
      ).toThrow('inner');
      return s.exp(before);
    });
    expect(live(ops)).toBe(1);
    result.dispose();
  });

  it('make tensors of the outer scope through its own operations', () => {
    const { ops } = spyBackend();
    ops.scope((s) => {
      const outer = s.scope((t) => {
        t.scalar(1);
        // Not `t`: lives as long as the outer scope, although it is not returned.
        const kept = s.scalar(2);
        return { wrapped: () => kept };
      });
      expect(outer.wrapped().disposed).toBe(false);
    });
    expect(live(ops)).toBe(0);
  });
});

describe('asynchronous scopes', () => {
  it('may interleave: each frees its own', async () => {
    const { ops } = spyBackend();
    const worker = (value: number, pauses: number) =>
      ops.scope(async (s) => {
        let x = s.scalar(value);
        for (let i = 0; i < pauses; i++) {
          await tick();
          x = s.add(x, s.scalar(1));
          expect(x.disposed).toBe(false);
        }
        return x;
      });
    const results = await Promise.all([worker(10, 5), worker(20, 1), worker(30, 3)]);
    expect(live(ops)).toBe(3);
    expect(await Promise.all(results.map((x) => ops.readScalar(x)))).toEqual([15, 21, 33]);
    for (const x of results) x.dispose();
    expect(live(ops)).toBe(0);
  });

  it('nest, one failing while the others go on', async () => {
    const { ops } = spyBackend();
    const sum = await ops.scope(async (outer) => {
      const parts = await Promise.allSettled(
        [1, 2, 3].map((value) =>
          outer.scope(async (s) => {
            const x = s.scalar(value);
            await tick();
            if (value === 2) throw new Error('two');
            return s.square(x);
          }),
        ),
      );
      const good = parts.flatMap((p) => (p.status === 'fulfilled' ? [p.value] : []));
      expect(good.length).toBe(2);
      return outer.add(good[0]!, good[1]!);
    });
    expect(await ops.readScalar(sum)).toBe(10);
    expect(live(ops)).toBe(1);
  });

  it('are told when they go on after the scope around them has ended', async () => {
    const { ops, backend } = spyBackend();
    let forgotten: Promise<unknown> | undefined;
    ops.scope((s) => {
      forgotten = s.scope(async (t) => {
        const x = t.scalar(1);
        await tick();
        return [t.exp(x), t.scalar(2)];
      });
      // Not awaited.
    });
    await expect(forgotten).rejects.toThrow(TensorLifetimeError);
    expect(live(ops)).toBe(0);
    expect(backend.liveBuffers!()).toBe(0);
  });

  it('refuse to make a tensor once they have ended', () => {
    const { ops, backend } = spyBackend();
    const escaped = ops.scope((s) => ({ again: () => s.scalar(1) }));
    expect(() => escaped.again()).toThrow(/after it had ended/);
    expect(backend.liveBuffers!()).toBe(0);
  });
});
