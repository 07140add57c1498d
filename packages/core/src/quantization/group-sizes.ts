import { ArgumentError } from '../errors.ts';

/** One group size that a layer may have, and what it would cost. */
export interface GroupSizeChoice {
  /** Neighbouring inputs that share a grid. */
  readonly groupSize: number;
  /** Error of the layer's output with it; comparable between layers. */
  readonly error: number;
  /** Bits of codes, scales and zero points. */
  readonly bits: number;
}

/**
 * Chooses a group size for every layer, so that the errors' sum is small and the bits' sum is at most
 * the budget: the granularity allocation of Q-DiT (Chen et al. 2024). The paper searches by evolution,
 * because its objective is the FID of drawn images. With a sum of layers' errors each step can be judged
 * on its own: from the cheapest sizes on, the step with the greatest gain per bit is taken while one
 * fits. No step raises the sum.
 *
 * @param layers choices by layer name
 * @throws ArgumentError where a layer has no choice, or the cheapest sizes are over the budget
 */
export function chooseGroupSizes(
  layers: ReadonlyMap<string, readonly GroupSizeChoice[]>,
  budgetBits: number,
): Map<string, GroupSizeChoice> {
  const chosen = new Map<string, GroupSizeChoice>();
  for (const [layer, choices] of layers) {
    if (choices.length === 0) throw new ArgumentError(`${layer}: no group size is possible.`);
    chosen.set(layer, choices.reduce(cheaper));
  }
  let spare = budgetBits - sum([...chosen.values()].map(({ bits }) => bits));
  if (!(spare >= 0)) {
    throw new ArgumentError(
      `The largest groups already need ${budgetBits - spare} bits, more than the ${budgetBits} that are allowed; choose a smaller --group-size.`,
    );
  }
  for (;;) {
    let best: { layer: string; choice: GroupSizeChoice; gain: number } | undefined;
    for (const [layer, current] of chosen) {
      for (const choice of layers.get(layer)!) {
        const more = choice.bits - current.bits;
        const less = current.error - choice.error;
        if (!(less > 0) || more > spare) continue;
        // A size that is better and not larger costs nothing at all.
        const gain = more > 0 ? less / more : Number.POSITIVE_INFINITY;
        if (!best || gain > best.gain) best = { layer, choice, gain };
      }
    }
    if (!best) return chosen;
    spare -= best.choice.bits - chosen.get(best.layer)!.bits;
    chosen.set(best.layer, best.choice);
  }
}

function cheaper(a: GroupSizeChoice, b: GroupSizeChoice): GroupSizeChoice {
  if (a.bits !== b.bits) return a.bits < b.bits ? a : b;
  return b.error < a.error ? b : a;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
