import type { TensorOps } from '@vq4dit/core';

/**
 * Works at the end of a tensor of more than 2^25 elements, whose texels, too, are beyond the numbers
 * to which float32 can add a half. Gives what is wrong.
 */
export function lastOfLarge(ops: TensorOps): Promise<string[]> {
  const size = 2 ** 25 + 4102;
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = i % 4099;
  const half = size / 2;
  return ops.scope(async (s) => {
    const x = s.tensor(values, [size]);
    const outcomes = {
      neg: [s.slice(s.neg(x), [size - 5], [5]), [5, 4, 3, 2, 1].map((i) => -values[size - i]!)],
      permute: [
        s.slice(s.permute(s.reshape(x, [2, half]), [1, 0]), [half - 2, 0], [2, 2]),
        [2, 1].flatMap((i) => [values[half - i]!, values[size - i]!]),
      ],
      mul: [
        s.slice(s.mul(s.reshape(x, [2, half]), s.tensor([1, 3], [2, 1])), [1, half - 3], [1, 3]),
        [3, 2, 1].map((i) => 3 * values[size - i]!),
      ],
    } as const;
    const wrong: string[] = [];
    for (const [name, [tensor, want]] of Object.entries(outcomes)) {
      const got = [...(await s.read(tensor))];
      if (got.join() !== want.join()) wrong.push(`${name}: got ${got}, expected ${want}`);
    }
    return wrong;
  });
}
